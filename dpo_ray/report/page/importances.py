"""How much of the objective's variance each searched setting explains."""

from math import isfinite
from typing import Any

from dpo_ray.report.ranking import RankedRow
from dpo_ray.tracking.objective import objective_value
from dpo_ray.tracking.ranges import Range
from dpo_ray.tracking.state import SweepState

FEWEST = 4
"""Trials below which an importance says nothing."""
WORK, MOST_TREES, FEWEST_TREES = 12_800, 64, 8
"""A forest's time grows with trees x trials: about a second for any number of trials."""


def importances(state: SweepState, rows: list[RankedRow]) -> dict[str, float]:
    """Return each parameter's share of the objective's variance (fANOVA), the largest first.

    Over the trials that are ranked, each with its best checkpoint. Only parameters that all of
    them have; empty for too few trials, or where all are equally good.
    Hutter, Hoos, Leyton-Brown 2014, as in optuna.importance.
    """
    import optuna

    space = state.parameters
    trials = [row.trial for row in rows if row.trial is not None]
    values = [objective_value(row.metrics, state.objectives[0]) for row in rows]
    names = [
        name
        for name in space
        if is_drawn(space[name]) and all(name in trial.params for trial in trials)
    ]
    if len(rows) < FEWEST or not names or not all(map(isfinite, values)) or len(set(values)) < 2:
        return {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction=state.objectives[0].get("direction", "maximize"))
    for trial, value in zip(trials, values, strict=True):
        params = {name: trial.params[name] for name in names}
        kinds = {name: _distribution(space[name]) for name in names}
        study.add_trial(optuna.create_trial(params=params, distributions=kinds, value=value))
    trees = max(min(WORK // len(rows), MOST_TREES), FEWEST_TREES)
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=trees, seed=0)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in found.items() if isfinite(share)}


def _distribution(space: Range) -> Any:
    from optuna import distributions

    if "choices" in space:
        return distributions.CategoricalDistribution(space["choices"])
    whole = space["type"] == "int"
    kind = distributions.IntDistribution if whole else distributions.FloatDistribution
    return kind(space["low"], space["high"], log=bool(space.get("log")))


def is_drawn(space: Range) -> bool:
    """Whether a parameter is drawn, and not tied to another one."""
    return "choices" in space or "low" in space
