"""What judges are asked and what they answer, whatever they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from dpo_ray.evaluation.baseline import Prompt


@dataclass(frozen=True)
class Comparison:
    """Two answers to one prompt; the baseline's score where it is known already."""

    prompt: Prompt
    completion: str
    baseline: str
    baseline_score: float | None = None


@dataclass(frozen=True)
class Judgement:
    """What a judge says of a completion beside its baseline.

    Attributes:
        outcome: 1 the completion wins, 0 it loses, .5 a tie; None, it could not be judged.
        score: the completion's own score, of a judge that gives any.
        consistent: whether both orders gave the same answer, of a judge that is asked twice.
        reason: why it could not be judged.
    """

    outcome: float | None
    score: float | None = None
    consistent: bool | None = None
    reason: str = ""


@dataclass(frozen=True)
class Judging:
    """What a sweep's judges need beside their settings.

    Attributes:
        models: the folder of each reward model, by the judge's name.
        calls: a folder where the sweep's calls to language models are counted.
        answers: a folder of what language models have answered, kept between sweeps.
    """

    models: Mapping[str, Path] = field(default_factory=dict)
    calls: Path | None = None
    answers: Path | None = None


class Judge(Protocol):
    """Compares completions with the reference's; deterministic, or nearly so."""

    @property
    def scores(self) -> bool:
        """Whether it scores completions one by one; else it only compares."""
        ...

    @property
    def max_failed(self) -> float:
        """The share of comparisons that may be left without an outcome."""
        ...

    def score(self, prompts: Sequence[Prompt], completions: Sequence[str]) -> list[float]:
        """Return one finite score for each completion. Only where `scores`."""
        ...

    def compare(self, comparisons: Sequence[Comparison]) -> list[Judgement]:
        """Judge each completion against its baseline."""
        ...


def outcome_of(score: float, baseline: float, tie: float) -> float:
    """Return 1 for a win, 0 for a loss, .5 where the scores differ by at most `tie`."""
    return 0.5 if abs(score - baseline) <= tie else float(score > baseline)
