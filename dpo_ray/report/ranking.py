"""Who did best: the order in which a sweep's trials are shown."""

from dataclasses import dataclass
from math import isfinite

from dpo_ray.tracking.progress import score
from dpo_ray.tracking.records import Metrics
from dpo_ray.tracking.state import SweepState, TrialRow


@dataclass(frozen=True)
class RankedRow:
    """A line of the ranking. `place` counts from 1; None for what is shown but not ranked."""

    name: str
    place: int | None
    metrics: Metrics
    trial: TrialRow | None
    """None for the reference model, which was not trained here."""
    is_best: bool = False

    @property
    def is_reference(self) -> bool:
        """Whether this is the model every win rate is measured against."""
        return self.trial is None

    @property
    def is_control(self) -> bool:
        """Whether this is the sweep's own default configuration."""
        return self.trial is not None and self.trial.is_control


def rank(state: SweepState, metric: str, direction: str) -> list[RankedRow]:
    """Order the trials by `eval/METRIC`, with the reference below the last that is ranked.

    Completed trials come first. A stopped trial is below all of them, by its last rung: it was
    measured earlier in its training, so the two values do not compare. Failed and killed trials
    have no place, whatever they had reached.
    """
    completed = _best_first(state, "COMPLETED", metric, direction)
    placed = completed + _best_first(state, "STOPPED", metric, direction)
    rows = [
        RankedRow(trial.name, place, trial.metrics, trial, is_best=place == 1 and bool(completed))
        for place, trial in enumerate(placed, start=1)
    ]
    rows += [RankedRow("reference", None, state.reference, None)]
    others = [trial for _, trial in sorted(state.trials.items()) if trial not in placed]
    return rows + [RankedRow(trial.name, None, trial.metrics, trial) for trial in others]


def best_of(rows: list[RankedRow]) -> TrialRow | None:
    """The completed trial in first place; None if no trial completed with a value."""
    return next((row.trial for row in rows if row.is_best), None)


def _best_first(state: SweepState, status: str, metric: str, direction: str) -> list[TrialRow]:
    trials = state.with_status(status)
    scored = [trial for trial in trials if isfinite(score(trial, metric, direction))]
    return sorted(scored, key=lambda trial: -score(trial, metric, direction))
