"""Signs of broken text that need no judge."""

from collections.abc import Sequence

NGRAM = 3


def repetition(ids: Sequence[int], n: int = NGRAM) -> float:
    """Return the share of n-grams that stood earlier in the same completion, from 0 to 1."""
    grams = [tuple(ids[start : start + n]) for start in range(len(ids) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def mean(values: Sequence[float] | Sequence[int]) -> float:
    """Return the arithmetic mean; of nothing, 0."""
    return sum(values) / len(values) if values else 0.0
