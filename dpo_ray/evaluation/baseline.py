"""The opponent in every comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAIN = ""
"""The name of the judge behind `win_rate`; further judges have names of their own."""


@dataclass(frozen=True)
class Prompt:
    """A prompt that is answered: its token ids, what a judge reads, and the row it came with.

    `content`, `chosen` and `rejected` are as in the source: text, or a list of messages.
    """

    row: int
    ids: list[int]
    text: str
    content: Any
    chosen: Any
    rejected: Any


@dataclass(frozen=True)
class Baseline:
    """The reference's answers to the prompts, their lengths in tokens, and their scores by judge.

    A judge that only compares has no scores. `signs` are the signs of degeneration of the
    reference's own text, by metric, which a trial's are held against.
    """

    prompts: Sequence[Prompt]
    completions: Sequence[str]
    lengths: Sequence[int]
    scores: Mapping[str, Sequence[float]]
    signs: Mapping[str, float]
