"""The words of the toy language. Only those that carry a mood move the VADER lexicon."""

from dataclasses import dataclass
from typing import Literal

Mood = Literal["positive", "negative", "neutral"]
MOODS: tuple[Mood, ...] = ("positive", "negative", "neutral")
OPPOSITE: dict[Mood, Mood] = {"positive": "negative", "negative": "positive", "neutral": "neutral"}


@dataclass(frozen=True)
class Subject:
    """What a review is about: words for the thing itself, and for its parts."""

    things: tuple[str, ...]
    parts: tuple[str, ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))


SUBJECTS = (
    Subject(
        _words("film, movie"),
        _words("plot, script, soundtrack, ending, lead actor, dialogue, first half, opening scene"),
    ),
    Subject(
        _words("restaurant, cafe, place"),
        _words("soup, waiter, coffee, menu, dessert, fish, kitchen, table by the window"),
    ),
    Subject(
        _words("hotel, hostel, inn"),
        _words("room, bed, breakfast, view, bathroom, balcony, pool, front desk"),
    ),
    Subject(
        _words("phone, laptop, camera"),
        _words("screen, battery, keyboard, speaker, charger, lens, case, touch response"),
    ),
    Subject(
        _words("book, memoir"),
        _words("story, first chapter, ending, translation, plot, cover, middle part, narrator"),
    ),
)

ADJECTIVES: dict[Mood, tuple[str, ...]] = {
    "positive": _words(
        "good, great, wonderful, excellent, lovely, charming, brilliant, perfect, delightful, "
        "beautiful, amazing, superb"
    ),
    "negative": _words(
        "bad, awful, terrible, poor, disappointing, horrible, boring, ugly, dreadful, annoying, "
        "weak, dull"
    ),
    "neutral": _words(
        "long, short, usual, average, simple, quiet, old, new, typical, ordinary, small"
    ),
}
STRENGTHS = _words("very, really, quite, rather, so, somewhat, a bit, extremely, fairly")
TIMES = _words("today, yesterday, this time, at first, last week, in the end")
REACTIONS: dict[Mood, tuple[str, ...]] = {
    "positive": _words(
        "I loved, I enjoyed, I really liked, we were happy with, my sister praised, I admired"
    ),
    "negative": _words(
        "I hated, I disliked, I regretted, we were angry about, "
        "my sister complained about, I was tired of"
    ),
    "neutral": _words(
        "I noticed, we talked about, I looked at, my sister asked about, I remember, we waited for"
    ),
}
CLOSINGS: dict[Mood, tuple[str, ...]] = {
    "positive": (
        "I would happily recommend it.",
        "It made me happy.",
        "A real treasure.",
        "I will come back with a smile.",
        "Thank you, it was worth every cent.",
        "What a joy.",
    ),
    "negative": (
        "I left in a bad mood.",
        "It ruined my evening.",
        "A waste of time.",
        "Never again, what a disaster.",
        "I left angry and tired.",
        "What a mess.",
    ),
    "neutral": (
        "That is all I can say.",
        "I went there on a Tuesday.",
        "It took about two hours.",
        "My brother was with me.",
        "We paid at the door.",
        "It is near the station.",
    ),
}
