"""Optuna under Tune, told what the stock searcher leaves out."""

from typing import Any

import optuna
from optuna.trial import TrialState
from ray.tune.search.optuna import OptunaSearch

PROPOSAL = "proposal"
"""The configuration key under which Tune carries a trial's number, origin and parameters."""


class StudySearch(OptunaSearch):
    """OptunaSearch with an in-memory study that knows how each trial really ended.

    The stock searcher calls an early-stopped trial COMPLETE, so the sampler takes a value from
    a quarter of the training for a final one; here it is PRUNED with its rungs' values, a
    failed one FAIL, and only a full one COMPLETE. A study of two objectives takes no values of
    rungs: Optuna would refuse them. Each suggestion carries its trial number and
    where it came from: the control configuration, a random start-up draw, or the sampler.
    """

    def __init__(
        self,
        space: dict[str, Any],
        *,
        metric: str | list[str],
        mode: str | list[str],
        sampler: optuna.samplers.BaseSampler,
        control: dict[str, Any],
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        super().__init__(
            space=space,
            metric=metric,
            mode=mode,
            sampler=sampler,
            storage=optuna.storages.InMemoryStorage(),
        )
        self._metrics = [metric] if isinstance(metric, str) else metric
        self.study.enqueue_trial(control, user_attrs={"origin": "control"})
        self._random = isinstance(sampler, optuna.samplers.RandomSampler)

    @property
    def study(self) -> optuna.Study:
        """The study: its trials are the sweep's, in order."""
        return self._ot_study

    def suggest(self, trial_id: str) -> dict[str, Any]:
        """Ask the sampler and say who answered."""
        params = super().suggest(trial_id)
        trial = self._ot_trials[trial_id]
        return {PROPOSAL: {"trial": trial.number, "params": params, "origin": self._origin(trial)}}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Note a rung's value under its optimizer step."""
        if self._has_values(result) and not result.get("repeat"):
            self._note_rung(self._ot_trials[trial_id], result)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell the study how the trial ended."""
        if trial_id in self._completed_trials:
            return
        trial = self._ot_trials[trial_id]
        if error or not result or not self._has_values(result):
            self._ot_study.tell(trial, state=TrialState.FAIL)
        elif result["fraction"] < 1:
            # The rung that stopped it: Tune reports the others only.
            self._note_rung(trial, result)
            self._ot_study.tell(trial, state=TrialState.PRUNED)
        else:
            self._ot_study.tell(trial, [result[metric] for metric in self._metrics])
        self._completed_trials.add(trial_id)

    def _has_values(self, result: dict[str, Any]) -> bool:
        return all(metric in result for metric in self._metrics)

    def _note_rung(self, trial: optuna.Trial, result: dict[str, Any]) -> None:
        if len(self._metrics) == 1:
            trial.report(result[self._metrics[0]], result["step"])

    def _origin(self, trial: optuna.Trial) -> str:
        if "origin" in trial.user_attrs:
            return str(trial.user_attrs["origin"])
        return "sampler" if self._random or trial.relative_params else "startup"
