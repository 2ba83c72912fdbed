"""Which patterns run how much of which plan."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.task import Pattern

ROOT = Path(__file__).parents[1]
SPACE = ROOT / "search_spaces" / "beta.yaml"
SWEEP = ROOT / "sweeps" / "local.yaml"
ALIKE = ("search.sampler=random", "search.scheduler.type=none")
"""Without evaluation there is nothing to learn from or to stop for: the control, then draws."""

Name = Literal["marginal", "total"]


@dataclass(frozen=True)
class Comparison:
    """One table: `trials` says how many each pattern runs, the first ones of one list."""

    name: Name
    title: str
    overrides: tuple[str, ...]
    trials: dict[Pattern, int]


def comparisons(quick: bool, only: str | None) -> list[Comparison]:
    """Return the tables to make; `quick` runs fewer trials of the same length."""
    marginal = Comparison(
        "marginal",
        "Cost of a further trial: 8 steps, one trial at a time",
        (*ALIKE, "training.max_steps=8", "search.concurrent=1"),
        {"a": 3, "b": 2, "c": 3} if quick else {"a": 8, "b": 3, "c": 8},
    )
    length = 4 if quick else 12
    total = Comparison(
        "total",
        f"A whole sweep: {length} trials of the shipped plan; (a) in its two slots",
        ALIKE,
        {"a": length, "c": length},
    )
    return [each for each in (marginal, total) if only in (None, each.name)]
