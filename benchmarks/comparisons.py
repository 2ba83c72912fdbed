"""Which patterns run how much of which plan."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from benchmarks.task import Row, pattern_of

ROOT = Path(__file__).parents[1]
SPACE = ROOT / "search_spaces" / "beta.yaml"
SWEEP = ROOT / "sweeps" / "local.yaml"
HELD_OUT = 64
"""Validation pairs that every pattern judges its trials by."""
RUNGS = (0.1111, 0.3333, 1.0)
SPARED = 3
"""ASHA's reduction factor, and how many trials either rule of stopping lets through at first."""
REHEARSED_STEPS = 12
ALIKE = (
    # A random sampler does not look at results: the control, then draws, known beforehand.
    "search.sampler=random",
    "objective.metric=accuracy",
    "confirm=null",
    # What (a) asks of a policy beside the pairs costs it one token a prompt.
    f"evaluation.prompts={HELD_OUT}",
    "evaluation.max_new_tokens=1",
    # One token is no text.
    "evaluation.limits={max_repetition: null, min_distinct: null, min_eos_rate: null, "
    "min_length_ratio: null, max_length_ratio: null, max_kl_per_token: null, min_movement: null}",
)
WHOLE = ("search.scheduler.type=none",)
HALVED = (
    f"search.scheduler={{type: asha, reduction_factor: {SPARED}, grace_trials: {SPARED}, "
    "grace_fraction: 0.1}",
)
LARGER = ("training.max_steps=120", "training.batch_size=8")

Name = Literal["marginal", "total", "wide"]


@dataclass(frozen=True)
class Comparison:
    """One table: `trials` says how many each line runs, the first ones of one list.

    `judged`: trials are judged on held-out pairs at their end, and at the rungs where they may be
    stopped. `larger`: on the model and pairs of `larger_toy`.
    """

    name: Name
    title: str
    alike: tuple[str, ...]
    trials: dict[Row, int]
    judged: bool = True
    larger: bool = False

    def overrides(self, row: Row) -> tuple[str, ...]:
        """Return what (a)'s plan of this line sets."""
        rungs = f"evaluation.at={list(self.rungs(row) or (1.0,))}"
        trials = f"search.trials={self.trials[row]}"
        return (*self.alike, *(HALVED if row.endswith("+") else WHOLE), rungs, trials)

    def rungs(self, row: Row) -> tuple[float, ...]:
        """Return where trials of this line are judged."""
        if not self.judged:
            return ()
        return RUNGS if row.endswith("+") else RUNGS[-1:]

    def rehearsal(self, row: Row) -> "Comparison":
        """Return two short trials of this line, enough to tell a faster way from a slower one."""
        alike = (*self.alike, f"training.max_steps={REHEARSED_STEPS}")
        return replace(self, alike=alike, trials={row: 2}, judged=False)


def comparisons(quick: bool, only: str | None) -> list[Comparison]:
    """Return the tables to make; `quick` runs fewer trials of the same length."""
    marginal = Comparison(
        "marginal",
        "Cost of a further trial: 8 steps, one trial at a time",
        (*ALIKE, "training.max_steps=8", "search.concurrent=1"),
        _trials({"a": 8, "b": 3, "c": 8, "d": 8, "e": 8}, 3 if quick else 8),
        judged=False,
    )
    rows: dict[Row, int] = {"a": 12, "b": 2, "c": 12, "d": 12, "e": 12, "a+": 12, "d+": 12}
    length = 4 if quick else 12
    total = Comparison(
        "total",
        f"A whole sweep: {length} trials of the shipped plan; (a) in its two slots",
        ALIKE,
        _trials(rows, length),
    )
    length = 4 if quick else 8
    wide = Comparison(
        "wide",
        f"{length} trials of 120 steps at hidden size 256, 4 layers, rows of 60 tokens; "
        "(a) in two slots",
        (*ALIKE, *LARGER),
        _trials(rows, length),
        larger=True,
    )
    return [each for each in (marginal, total, wide) if only in (None, each.name)]


def _trials(rows: dict[Row, int], most: int) -> dict[Row, int]:
    return {
        row: min(count, 2 if pattern_of(row) == "b" and most < 8 else most)
        for row, count in rows.items()
    }
