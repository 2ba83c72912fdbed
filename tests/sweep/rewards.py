"""A reward function in TRL's form that a test's sweep names."""

_calls = 0


def fragile(prompts, completions, **columns):
    """Judge the reference, and break on every trial after it."""
    global _calls
    _calls += 1
    return [_value(text) if _calls > 2 else 0.0 for text in completions]


def _value(text):
    return {}[text]


def short(prompts, completions, chosen, **columns):
    """Prefer what is short; the data's own answers are there to be looked at."""
    assert len(chosen) == len(completions) == len(prompts)
    return [-float(len(text)) for text in completions]
