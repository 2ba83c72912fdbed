"""Early stopping at the rungs where trials are evaluated."""

from collections.abc import Sequence
from typing import Any

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler

from dpo_ray.config.sweep import SchedulerConfig
from dpo_ray.search.study import PROPOSAL


class RungASHA(ASHAScheduler):  # type: ignore[misc]
    """ASHA whose rungs are fractions of a trial's own steps (Li et al. 2020, arXiv 1810.05934).

    Stock ASHA spaces its rungs by powers of the reduction factor from a grace period; ours
    stand where `evaluation.at` says, so short and long trials meet at the same share of their
    training. The last rung is the end and stops nobody. The control trial is never stopped:
    every table needs it whole.
    """

    def __init__(
        self, fractions: Sequence[float], *, metric: str, mode: str, reduction_factor: float
    ) -> None:
        super().__init__(
            time_attr="fraction",
            metric=metric,
            mode=mode,
            max_t=2,  # above every fraction: a trial ends by itself
            grace_period=1,
            reduction_factor=reduction_factor,
            brackets=1,
            stop_last_trials=False,
        )
        rungs: list[tuple[float, dict[str, float]]] = [(each, {}) for each in fractions if each < 1]
        self._brackets[0]._rungs = rungs[::-1]
        self.cutoffs: dict[str, float | None] = {}
        """By trial id, the value its latest rung asked for, in the metric's own direction."""

    def on_trial_result(self, controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Return CONTINUE or STOP for the rung just reached."""
        self.cutoffs[trial.trial_id] = self._cutoff(result["fraction"])
        decision: str = super().on_trial_result(controller, trial, result)
        if trial.config[PROPOSAL]["trial"] == 0:
            return str(TrialScheduler.CONTINUE)
        return decision

    def _cutoff(self, fraction: float) -> float | None:
        bracket = self._brackets[0]
        recorded = next((values for at, values in bracket._rungs if at == fraction), {})
        value = bracket.cutoff(recorded)
        return None if value is None else float(value) * self._metric_op


def make_scheduler(
    config: SchedulerConfig, fractions: Sequence[float], *, metric: str, mode: str
) -> Any:
    """Return the scheduler a sweep names."""
    if config.type == "none":
        return FIFOScheduler()
    return RungASHA(fractions, metric=metric, mode=mode, reduction_factor=config.reduction_factor)
