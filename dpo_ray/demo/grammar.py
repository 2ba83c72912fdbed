"""A grammar of short reviews whose mood a lexicon can read."""

from collections.abc import Iterator
from random import Random

from dpo_ray.demo.vocabulary import (
    ADJECTIVES,
    CLOSINGS,
    MOODS,
    OPPOSITE,
    REACTIONS,
    STRENGTHS,
    SUBJECTS,
    TIMES,
    Mood,
    Subject,
)


def reviews(seed: int) -> Iterator[str]:
    """Yield reviews without end; the same seed gives the same reviews."""
    random = Random(seed)
    while True:
        yield _review(random)


def openings(seed: int) -> Iterator[str]:
    """Yield without end the first two to five words of reviews, each opening once.

    None ends with a sentence: a model asked to go on from there may well say nothing.
    """
    random = Random(seed)
    seen: set[str] = set()
    while True:
        opening = " ".join(_review(random).split()[: random.randint(2, 5)])
        if not opening.endswith(".") and opening not in seen:
            seen.add(opening)
            yield opening


def _review(random: Random) -> str:
    """Return one to four sentences about one subject, nearly all in one mood.

    One mood a review is what makes the toy teachable: to please, a model need only turn the
    mood it starts in.
    """
    subject, mood = random.choice(SUBJECTS), random.choice(MOODS)
    sentences = [
        _sentence(random, subject, random.choice(MOODS) if random.random() < 0.05 else mood)
        for _ in range(random.choice((1, 2, 2, 3)))
    ]
    if random.random() < 0.4:
        sentences.append(random.choice(CLOSINGS[mood]))
    return " ".join(sentences)


def _sentence(random: Random, subject: Subject, mood: Mood) -> str:
    thing, part = random.choice(subject.things), random.choice(subject.parts)
    one, two = _description(random, mood), _description(random, mood)
    sentence = random.choice(
        (
            f"the {part} was {one}.",
            f"the {part} in this {thing} was {one}.",
            f"{random.choice(TIMES)} the {part} was {one}.",
            f"{random.choice(REACTIONS[mood])} the {part}.",
            f"this {thing} has {_with_article(one)} {part}.",
            f"I thought the {part} was {one} and {two}.",
            f"overall the {thing} was {one}, with {_with_article(two)} {part}.",
            f"the {part} was {one}, {_second_thought(random, subject, mood)}.",
        )
    )
    return sentence[0].upper() + sentence[1:]


def _second_thought(random: Random, subject: Subject, mood: Mood) -> str:
    other = OPPOSITE[mood] if random.random() < 0.1 else mood
    joint = "and" if other == mood else "but"
    return f"{joint} the {random.choice(subject.parts)} was {_description(random, other)}"


def _description(random: Random, mood: Mood) -> str:
    """Return an adjective of the mood, mostly strengthened, at times a negated opposite."""
    if mood != "neutral" and random.random() < 0.08:
        return f"not {random.choice(ADJECTIVES[OPPOSITE[mood]])}"
    adjective = random.choice(ADJECTIVES[mood])
    return adjective if random.random() < 0.1 else f"{random.choice(STRENGTHS)} {adjective}"


def _with_article(description: str) -> str:
    if description.startswith("a "):
        return description
    return f"{'an' if description[0] in 'aeiou' else 'a'} {description}"
