"""Early stopping at the rungs where trials are evaluated."""

from collections.abc import Sequence
from typing import Any

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler

from dpo_ray.config.scheduler import SchedulerConfig
from dpo_ray.search.study import PROPOSAL


class RungASHA(ASHAScheduler):
    """ASHA whose rungs are fractions of a trial's own steps (Li et al. 2020, arXiv 1810.05934).

    Stock ASHA spaces its rungs by powers of the reduction factor from a grace period; ours
    stand where `evaluation.at` says, so short and long trials meet at the same share of their
    training. The last rung is the end and stops nobody. Neither is the control trial ever
    stopped, which every table needs whole, nor anybody by a rung that fewer than `grace_trials`
    have passed: the median of one or two is no measure.
    """

    def __init__(
        self,
        fractions: Sequence[float],
        *,
        metric: str,
        mode: str,
        reduction_factor: float,
        grace_trials: int,
        label: str = "",
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
        self._grace_trials = grace_trials
        self._label = label or metric.removeprefix("eval/")
        self.reasons: dict[str, str] = {}
        """By trial id, why its latest rung decided as it did, in words."""

    def on_trial_result(self, controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Return CONTINUE or STOP for the rung just reached, and note the reason."""
        fraction, value = result["fraction"], result[self._metric]
        passed, cutoff = self._passed(fraction), self._cutoff(fraction)
        decision: str = super().on_trial_result(controller, trial, result)
        spared = self._spared(trial, fraction, passed)
        compared = (
            f"{self._label} {value:.3f}, cutoff {cutoff:.3f} after {passed} trials"
            if passed
            else ""
        )
        self.reasons[trial.trial_id] = spared or compared
        return str(TrialScheduler.CONTINUE) if spared else decision

    def _spared(self, trial: Any, fraction: float, passed: int) -> str:
        if fraction >= 1:
            return "the last rung"
        if trial.config[PROPOSAL]["trial"] == 0:
            return "the control trial is never stopped"
        if passed < self._grace_trials:
            return f"among the first {self._grace_trials} at this rung"
        return ""

    def _passed(self, fraction: float) -> int:
        return len(dict(self._brackets[0]._rungs).get(fraction, {}))

    def _cutoff(self, fraction: float) -> float | None:
        bracket = self._brackets[0]
        value = bracket.cutoff(dict(bracket._rungs).get(fraction, {}))
        return None if value is None else float(value) * self._metric_op


def make_scheduler(
    config: SchedulerConfig,
    fractions: Sequence[float],
    *,
    metric: str,
    mode: str,
    label: str = "",
) -> Any:
    """Return the scheduler a sweep names; `label` is what people call the metric."""
    if config.type == "none":
        return FIFOScheduler()
    return RungASHA(
        fractions,
        metric=metric,
        mode=mode,
        reduction_factor=config.reduction_factor,
        grace_trials=config.grace_trials,
        label=label,
    )
