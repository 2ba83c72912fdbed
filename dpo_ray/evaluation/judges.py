"""Who says which of two completions is better."""

from collections.abc import Sequence
from functools import cache
from typing import Any, Protocol


class Judge(Protocol):
    """Scores completions one by one; the higher score wins a comparison."""

    def __call__(self, prompts: Sequence[str], completions: Sequence[str]) -> list[float]:
        """Return one finite score for each completion in its prompt's context."""
        ...


@cache
def _analyzer() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()


def vader(prompts: Sequence[str], completions: Sequence[str]) -> list[float]:
    """Score prompt + completion by VADER's compound sentiment, from -1 to 1.

    The embedded pairs were labelled by this very score, so on them it is the gold reward.
    """
    return [
        float(_analyzer().polarity_scores(prompt + completion)["compound"])
        for prompt, completion in zip(prompts, completions, strict=True)
    ]


JUDGES: dict[str, Judge] = {"vader": vader}
