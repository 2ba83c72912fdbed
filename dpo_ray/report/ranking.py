"""Who did best: the order in which a sweep's trials are shown, and what is tried again."""

from dataclasses import dataclass

from dpo_ray.tracking.candidates import Scored, best_of_each, front
from dpo_ray.tracking.records import Candidate, Metrics, RungReached
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import TrialRow


@dataclass(frozen=True)
class RankedRow:
    """A line of the ranking. `place` counts from 1; None for what is shown but not ranked.

    A trial stands there with its best checkpoint, `rung`.
    """

    name: str
    place: int | None
    metrics: Metrics
    trial: TrialRow | None
    """None for the reference model, which was not trained here."""
    rung: RungReached | None = None
    is_best: bool = False
    on_front: bool = False
    """Of two objectives: no other checkpoint is better in both."""

    @property
    def is_reference(self) -> bool:
        """Whether this is the model every win rate is measured against."""
        return self.trial is None

    @property
    def is_control(self) -> bool:
        """Whether this is the sweep's own default configuration."""
        return self.trial is not None and self.trial.is_control

    @property
    def step(self) -> int:
        """The optimizer step that is shown."""
        if self.rung is not None:
            return self.rung.step
        return 0 if self.trial is None else self.trial.step


def rank(state: SweepState) -> list[RankedRow]:
    """Order the trials by their best checkpoints, the reference below the last that is ranked.

    One objective decides alone; of two the pick of the one-standard-error rule is first, then the
    rest of the Pareto front. Stopped trials are ranked among the completed ones: a checkpoint is
    a model, judged on the same prompts. Failed and killed trials have no place, whatever they had
    reached. There is no best before a trial has completed.
    """
    placed, completed = best_of_each(state), bool(state.with_status("COMPLETED"))
    lines = {(each.trial.number, each.rung.step) for each in front(state)}
    rows = [
        RankedRow(
            each.trial.name,
            place,
            each.rung.metrics,
            each.trial,
            each.rung,
            is_best=place == 1 and completed,
            on_front=(each.trial.number, each.rung.step) in lines,
        )
        for place, each in enumerate(placed, start=1)
    ]
    rows += [RankedRow("reference", None, state.reference, None)]
    shown = {each.trial.number for each in placed}
    others = [trial for number, trial in sorted(state.trials.items()) if number not in shown]
    return rows + [RankedRow(trial.name, None, trial.metrics, trial) for trial in others]


def best_of(rows: list[RankedRow]) -> RankedRow | None:
    """The row in first place; None if no trial completed with a value."""
    return next((row for row in rows if row.is_best), None)


def top_candidates(state: SweepState, count: int) -> list[Candidate]:
    """Return the best checkpoints of so many configurations, for a confirmation.

    The default configuration at its end is compared with anyway, so it is none of them; stopped
    earlier it is a candidate like any other.
    """
    found = [each for each in best_of_each(state) if not _is_default(each)]
    return [_candidate(each) for each in found[:count]]


def default_candidate(state: SweepState) -> Candidate:
    """Return the default configuration at the end of its training: what a search must beat.

    Where its own trial did not complete there is no evaluation, and the other trials' length.
    """
    control = next((row for row in state.trials.values() if row.is_control), None)
    if control is not None and control.status == "COMPLETED" and control.rungs:
        last = control.rungs[-1]
        return _at(control, last.step, last.fraction, last.metrics, is_default=True)
    row = control or next(iter(state.trials.values()))
    steps = max(each.total_steps for each in state.trials.values())
    planned = state.plan.plan.get("control", row.params) if state.plan else row.params
    return Candidate(
        trial=row.number,
        step=steps,
        fraction=1.0,
        total_steps=steps,
        params=planned,
        is_default=True,
        metrics={},
    )


def _is_default(each: Scored) -> bool:
    return each.trial.is_control and each.rung.fraction >= 1


def _candidate(each: Scored) -> Candidate:
    rung = each.rung
    return _at(each.trial, rung.step, rung.fraction, rung.metrics, is_default=False)


def _at(
    trial: TrialRow, step: int, fraction: float, metrics: Metrics, *, is_default: bool
) -> Candidate:
    return Candidate(
        trial=trial.number,
        step=step,
        fraction=fraction,
        total_steps=trial.total_steps,
        params=trial.params,
        is_default=is_default,
        metrics=metrics,
    )
