"""The opponent in every comparison."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Baseline:
    """The reference on the validation prompts: what it said, its scores, its mean length."""

    prompts: list[list[int]]
    texts: list[str]
    completions: list[str]
    scores: list[float]
    length: float
