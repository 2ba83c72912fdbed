"""What every trial had at its rungs, and the verdicts that follow from it."""

from collections import defaultdict
from collections.abc import Mapping
from math import isfinite
from typing import Any

from dpo_ray.config.objective import LOWER_IS_BETTER
from dpo_ray.config.sweep import SweepConfig
from dpo_ray.search.rungs import Decision, Rule, decide, full_trials
from dpo_ray.tracking.objective import objective_value
from dpo_ray.tracking.state import SweepState


class RungBook:
    """The rungs of one search; trials are known by their numbers, rungs by their fractions.

    `objective` is what a rung compares, as a `config.objective.ObjectiveConfig` has it.
    """

    def __init__(self, rule: Rule, objective: Mapping[str, Any]) -> None:
        self._rule, self._objective = rule, objective
        self._values: dict[int, dict[float, float]] = defaultdict(dict)
        self._passed: dict[float, dict[int, list[float]]] = defaultdict(dict)

    def remember(self, trial: int, fraction: float, metrics: Mapping[str, float]) -> None:
        """Put back a rung that was decided before: later trials are compared with it."""
        value = objective_value(metrics, self._objective)
        if isfinite(value):
            self._note(trial, fraction, value)

    def judge(self, trial: int, fraction: float, metrics: Mapping[str, float]) -> Decision:
        """Decide on a trial at a rung, and remember its value there."""
        value = objective_value(metrics, self._objective)
        if not isfinite(value):
            return Decision(False, "nothing was measured", spared=True)
        others = [each for key, each in self._passed[fraction].items() if key != trial]
        mine = [*self._until(trial, fraction), value]
        found = decide(self._rule, trial, fraction, mine, others)
        self._note(trial, fraction, value)
        return found

    def _note(self, trial: int, fraction: float, value: float) -> None:
        self._passed[fraction][trial] = [*self._until(trial, fraction), value]
        self._values[trial][fraction] = value

    def _until(self, trial: int, fraction: float) -> list[float]:
        return [value for at, value in sorted(self._values[trial].items()) if at < fraction]


def rung_book(sweep: SweepConfig, trials: int, past: SweepState) -> RungBook:
    """Return the book of a search of so many trials, with all rungs that were decided before.

    A rung decides by one number: `scheduler.metric`, or else the first objective.
    """
    config = sweep.search.scheduler
    objective = sweep.objective[0].model_dump(mode="json")
    label = objective["metric"]
    if config.metric is not None:
        better = "minimize" if config.metric in LOWER_IS_BETTER else "maximize"
        objective, label = {"metric": config.metric, "direction": better}, config.metric
    elif objective["penalty"] is not None:
        label = f"penalised {label}"
    higher = objective["direction"] == "maximize"
    full = full_trials(sweep.search.full_trials, trials)
    book = RungBook(Rule(config, higher, label, full), objective)
    for row in past.trials.values():
        decided = {each.step for each in row.decisions}
        for rung in row.rungs:
            if rung.step in decided:
                book.remember(row.number, rung.fraction, rung.metrics)
    return book
