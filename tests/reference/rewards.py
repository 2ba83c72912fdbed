"""A reward function that tests name."""


def shout(prompts, completions, **columns):
    return [float(text.isupper()) for text in completions]
