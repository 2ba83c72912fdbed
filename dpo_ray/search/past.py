"""What a journal says of earlier trials, in Optuna's terms."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import optuna
from optuna.trial import TrialState

from dpo_ray.config.space import SearchSpace
from dpo_ray.errors import CorruptJournal
from dpo_ray.search.distributions import recorded
from dpo_ray.search.samplers import FIRST_GENERATION
from dpo_ray.tracking.objective import objective_value
from dpo_ray.tracking.records import RungReached, WarmTrial
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import TrialRow

OVER = ("COMPLETED", "STOPPED", "FAILED")
"""Ends that a later run keeps; a killed trial goes on, as does one whose process died."""


def is_over(row: TrialRow) -> bool:
    """Whether the trial has an end that stands."""
    return row.status in OVER


def over(state: SweepState) -> int:
    """Count the search's trials whose ends stand."""
    return sum(is_over(row) for row in state.trials.values())


def refuse_foreign(name: str, space: SearchSpace, past: SweepState) -> None:
    """Refuse a journal whose trials are none of its own sweep's space: no sampler can learn there.

    Raises:
        CorruptJournal: one has been altered since it was written.
    """
    tried = [(row.name, row.params) for row in past.trials.values()]
    if past.warm is not None:
        taught = [*(each.params for each in past.warm.trials), *past.warm.configs]
        tried += [(f"a trial of {past.warm.sweep}", params) for params in taught]
    for trial, params in tried:
        try:
            recorded(space, params)
        except ValueError as error:
            raise CorruptJournal(
                f"the journal of {name}: {trial}: must be a point of the sweep's search space: "
                f"{error}"
            ) from error


def frozen_trial(
    row: TrialRow, space: SearchSpace, objectives: Sequence[Mapping[str, Any]]
) -> optuna.trial.FrozenTrial:
    """Return a trial that is over as the study would have it, had it been told at the time."""
    params, distributions = recorded(space, row.params)
    state, values = _end(row, objectives)
    return optuna.create_trial(
        state=state,
        values=values,
        params=params,
        distributions=distributions,
        intermediate_values=_rungs(row.rungs, objectives),
        user_attrs={"origin": row.origin},
        system_attrs=row.remembered,
    )


def frozen_warm(
    trial: WarmTrial, space: SearchSpace, objectives: Sequence[Mapping[str, Any]]
) -> optuna.trial.FrozenTrial:
    """Return an older sweep's trial for this one's study."""
    params, distributions = recorded(space, trial.params)
    complete = trial.state == "COMPLETED"
    return optuna.create_trial(
        state=TrialState.COMPLETE if complete else TrialState.PRUNED,
        values=trial.values if complete or len(objectives) == 1 else None,
        params=params,
        distributions=distributions,
        intermediate_values=trial.rungs if len(objectives) == 1 else {},
        user_attrs={"origin": "warm_start"},
        system_attrs=FIRST_GENERATION,
    )


def objective_values(rung: RungReached, objectives: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return the objectives at a rung; none where one of them is not finite."""
    values = [objective_value(rung.metrics, each) for each in objectives]
    return values if all(isfinite(value) for value in values) else []


def _end(
    row: TrialRow, objectives: Sequence[Mapping[str, Any]]
) -> tuple[TrialState, list[float] | None]:
    values = objective_values(row.rungs[-1], objectives) if row.rungs else []
    if row.status == "COMPLETED" and values:
        return TrialState.COMPLETE, values
    if row.status == "STOPPED" and values:
        return TrialState.PRUNED, values if len(objectives) == 1 else None
    return TrialState.FAIL, None


def _rungs(
    rungs: Sequence[RungReached], objectives: Sequence[Mapping[str, Any]]
) -> dict[int, float]:
    if len(objectives) > 1:
        return {}
    values = {rung.step: objective_value(rung.metrics, objectives[0]) for rung in rungs}
    return {step: value for step, value in values.items() if isfinite(value)}
