"""Every (configuration, checkpoint) of a sweep as a candidate, best first."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf, isfinite

from dpo_ray.tracking.objective import (
    goodness,
    one_standard_error_pick,
    pareto_front,
    standard_error,
)
from dpo_ray.tracking.records import RungReached
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import TrialRow

JUDGED = ("COMPLETED", "STOPPED")
"""A checkpoint of a stopped trial is a model like any other, judged on the same prompts."""


@dataclass(frozen=True)
class Scored:
    """A checkpoint and how good it is: `quality` and `calm` are better when larger.

    `calm` is the second objective, 0 where there is one only.
    """

    trial: TrialRow
    rung: RungReached
    quality: float
    error: float
    calm: float = 0.0


def candidates(state: SweepState, trials: Iterable[TrialRow] | None = None) -> list[Scored]:
    """Return the checkpoints of all trials that ended well, those without a value left out."""
    rows = state.with_status(*JUDGED) if trials is None else trials
    found = [_scored(state, trial, rung) for trial in rows for rung in trial.rungs]
    return [each for each in found if isfinite(each.quality) and isfinite(each.calm)]


def ordered(found: list[Scored], objectives: int = 1) -> list[Scored]:
    """Order checkpoints: by the one objective; or the pick, the rest of the front, the others.

    Of two objectives the pick is the calmest of those within one standard error of the best
    quality.
    """
    by_quality = sorted(found, key=lambda each: -each.quality)
    if objectives < 2 or not found:
        return by_quality
    indices = pareto_front([(s.quality, s.calm) for s in by_quality])
    on_front, ahead = [by_quality[i] for i in indices], set(indices)
    pick = picked(on_front)
    rest = [each for each in on_front if each is not pick]
    return [pick, *rest, *(each for i, each in enumerate(by_quality) if i not in ahead)]


def picked(on_front: list[Scored]) -> Scored:
    """Apply the one-standard-error rule."""
    index = one_standard_error_pick(
        [each.quality for each in on_front],
        [each.error for each in on_front],
        [-each.calm for each in on_front],
    )
    return on_front[index]


def front(state: SweepState) -> list[Scored]:
    """Return the Pareto front over all candidates, by falling quality; empty for one objective."""
    if len(state.objectives) < 2:
        return []
    found = candidates(state)
    return [found[index] for index in pareto_front([(s.quality, s.calm) for s in found])]


def best_of_each(state: SweepState, trials: Iterable[TrialRow] | None = None) -> list[Scored]:
    """Return each trial's best checkpoint, the best trial first."""
    first: dict[int, Scored] = {}
    for each in ordered(candidates(state, trials), len(state.objectives)):
        first.setdefault(each.trial.number, each)
    return list(first.values())


def _scored(state: SweepState, trial: TrialRow, rung: RungReached) -> Scored:
    first, *second = state.objectives
    return Scored(
        trial=trial,
        rung=rung,
        quality=goodness(rung.metrics, first),
        error=standard_error(rung.metrics, first),
        calm=goodness(rung.metrics, second[0]) if second else 0.0,
    )


def latest_quality(state: SweepState, row: TrialRow) -> float:
    """Return a trial's latest value of the first objective, larger is better; -inf without one."""
    return goodness(row.metrics, state.objectives[0]) if row.metrics else -inf
