"""Early stopping at the rungs where trials are evaluated."""

from collections import defaultdict
from collections.abc import Mapping
from math import isfinite
from typing import Any

from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from dpo_ray.config.objective import LOWER_IS_BETTER
from dpo_ray.config.sweep import SweepConfig
from dpo_ray.search.rungs import Decision, Rule, decide, full_trials
from dpo_ray.search.study import PROPOSAL
from dpo_ray.tracking.objective import objective_value


class RungScheduler(FIFOScheduler):
    """Tune's scheduler over rungs that are shares of a trial's own steps.

    Ray's ASHA spaces its rungs by powers of the reduction factor and its median rule averages
    over whatever was reported; here short and long trials meet where `evaluation.at` says, and
    what an earlier process saw can be put back. Trials are known by their sweep's numbers.
    """

    def __init__(self, rule: Rule, objective: Mapping[str, Any]) -> None:
        super().__init__()
        self._rule, self._objective = rule, objective
        self._values: dict[int, dict[float, float]] = defaultdict(dict)
        self._passed: dict[float, dict[int, list[float]]] = defaultdict(dict)
        self.decisions: dict[int, Decision] = {}
        """By trial, the latest."""

    def remember(self, trial: int, fraction: float, metrics: Mapping[str, float]) -> None:
        """Put back a rung that was decided before: later trials are compared with it."""
        value = objective_value(metrics, self._objective)
        if isfinite(value):
            self._note(trial, fraction, value)

    def on_trial_result(self, controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Return CONTINUE or STOP for the rung just reached, and note the reason."""
        if result.get("repeat"):
            return str(TrialScheduler.CONTINUE)
        number, fraction = trial.config[PROPOSAL]["trial"], result["fraction"]
        self.decisions[number] = self.judge(number, fraction, dict(result["metrics"]))
        stop = self.decisions[number].stop
        return str(TrialScheduler.STOP if stop else TrialScheduler.CONTINUE)

    def judge(self, number: int, fraction: float, metrics: Mapping[str, Any]) -> Decision:
        """Decide on a trial at a rung, and remember its value there."""
        value = objective_value(metrics, self._objective)
        if not isfinite(value):
            return Decision(False, "nothing was measured", spared=True)
        others = [each for key, each in self._passed[fraction].items() if key != number]
        mine = [*self._until(number, fraction), value]
        found = decide(self._rule, number, fraction, mine, others)
        self._note(number, fraction, value)
        return found

    def _note(self, trial: int, fraction: float, value: float) -> None:
        self._passed[fraction][trial] = [*self._until(trial, fraction), value]
        self._values[trial][fraction] = value

    def _until(self, trial: int, fraction: float) -> list[float]:
        return [value for at, value in sorted(self._values[trial].items()) if at < fraction]


def make_scheduler(sweep: SweepConfig, trials: int) -> RungScheduler:
    """Return the scheduler a sweep names, for a search of so many trials.

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
    return RungScheduler(Rule(config, higher, label, full), objective)
