"""Every rung and its verdict: into the journal first, to the slot second."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

from ray import tune

from dpo_ray.search.pump import EventPump
from dpo_ray.search.schedulers import RungScheduler
from dpo_ray.search.tune_keys import PROPOSAL
from dpo_ray.tracking.journal import Journal
from dpo_ray.tracking.records import RungDecided, RungReached

ORDER_S = 30.0
FORSAKEN = "the process that stood for it in Tune died"


class Recorder(tune.Callback):
    """Tune's callback on the driver. What raises here ends the sweep: a journal that cannot be
    written is a reason to stop.

    `forsake` is given the number of each trial that Tune calls failed, and a reason: where the
    trial's stand-in has died, nobody else would end the training and free its slot.
    """

    def __init__(
        self,
        journal: Journal,
        slots: Mapping[str, Any],
        pump: EventPump,
        scheduler: RungScheduler,
        forsake: Callable[[int, str], None],
    ) -> None:
        self._forsake = forsake
        self._journal = journal
        self._slots = slots
        self._pump = pump
        self._scheduler = scheduler

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its callbacks for a restore that never happens here.
        return {}

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **_: Any
    ) -> None:
        """Journal a rung and the scheduler's decision on it, then let the slot go on or stop."""
        if result.get("repeat"):
            return
        number, step = trial.config[PROPOSAL]["trial"], result["step"]
        self._pump.wait_for(result["slot"], result["events"], ORDER_S)
        metrics, fraction = dict(result["metrics"]), result["fraction"]
        self._journal.append(
            RungReached(trial=number, step=step, fraction=fraction, metrics=metrics)
        )
        found = self._scheduler.decisions[number]
        verdict: Literal["continue", "stop"] = "stop" if result["done"] else "continue"
        self._journal.append(
            RungDecided(
                trial=number, step=step, action=verdict, reason=found.reason, spared=found.spared
            )
        )
        if (slot := self._slots.get(result["slot"])) is not None:  # else it has died meanwhile
            slot.decide.remote(result["job_id"], verdict)

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:
        """Let go of what Tune keeps of a trial that is over; the journal has all of it.

        Two thirds of the driver's growth with every trial were its last result, the configuration
        in it, and statistics of each number (run_metadata in ray/tune/experiment/trial.py). And an
        object of Ray's: where the trial's actor runs, asked for a result that has not come yet and
        never let go of (set_ray_actor, there).
        """
        trial._default_result_or_future = None
        trial.run_metadata.last_result = {}
        trial.run_metadata.metric_analysis.clear()
        trial.run_metadata.metric_n_steps.clear()

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:
        """See that a trial has an end, whatever became of its stand-in."""
        self.on_trial_complete(iteration, trials, trial)
        self._forsake(trial.config[PROPOSAL]["trial"], FORSAKEN)
