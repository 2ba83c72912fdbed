"""A reward function in TRL's form that a test's sweep names."""


def short(prompts, completions, chosen, **columns):
    """Prefer what is short; the data's own answers are there to be looked at."""
    assert len(chosen) == len(completions) == len(prompts)
    return [-float(len(text)) for text in completions]
