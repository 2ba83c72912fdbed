"""Tune's side of a trial: a thin stand-in that leases a slot and passes turns on."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from math import isfinite
from typing import Any

import ray
from ray import tune

from dpo_ray.search.tune_keys import LAST, OBJECTIVES, PROPOSAL, SEEN
from dpo_ray.slots.events import Turn
from dpo_ray.tracking.objective import objective_value
from dpo_ray.training.jobs import TrialJob, after_death

CPUS = 0.01


def objective_results(
    metrics: Mapping[str, float], objectives: Sequence[Mapping[str, Any]]
) -> dict[str, float]:
    """Return the objectives' values; a penalised one under `eval/objective` as well.

    Empty where an evaluation has none, as one that was left out.
    """
    values = [objective_value(metrics, each) for each in objectives]
    if not all(isfinite(value) for value in values):
        return {}
    found = dict(zip(OBJECTIVES, values, strict=False))
    penalised = objectives[0].get("penalty") is not None
    return found | ({"eval/objective": values[0]} if penalised else {})


class ProxyTrial(tune.Trainable):
    """One Tune trial is one configuration; the training happens in the slot.

    Imports no torch, so it costs a hundredth of a CPU and no cold start. One result per rung,
    then one marked `repeat` that says the trial is done; a failed trial raises. Whether to go
    on after a rung is told to the slot by the driver's recorder, once it stands in the journal.

    The training begins with the first `step`, not with `setup`: Tune sets up an actor for a trial
    and throws it away again where another one comes free first (`_maybe_reuse_cached_actor` in
    ray/tune/execution/tune_controller.py). Begun twice, a trial would hold two slots for ever.
    """

    def setup(self, config: dict[str, Any]) -> None:
        """Take note of the first configuration."""
        self._slot: Any = None
        self._last: dict[str, Any] = {}
        self._objectives: list[dict[str, Any]] = config["objectives"]
        self._leases: Any = ray.get_actor(config["leases"])
        self._next: dict[str, Any] | None = config

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take note of the next configuration in this same actor."""
        self._leave()
        self._next = new_config
        return True

    def step(self) -> dict[str, Any]:
        """Begin where nothing has begun yet, and wait for the next rung or the end."""
        if self._next is not None:
            job = self._job_of(self._next)
            self._next = None
            if not self._begin(job):
                return self._done()
        turn = self._turn()
        while turn.again is not None:
            # The slot has lost its workers, or died: another one, or this one later, goes on.
            self._leave()
            assert isinstance(turn.again, TrialJob)
            if not self._begin(turn.again):
                return self._done()
            turn = self._turn()
        if turn.outcome is None:
            self._last = self._result(turn)
            return self._last
        self._leave()
        if turn.outcome.state == "FAILED":
            raise RuntimeError(turn.outcome.reason)
        return self._done()

    def cleanup(self) -> None:
        """Give the slot back."""
        self._leave()

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        """Nothing of a trial lives here."""
        return {}

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing of a trial lives here."""

    def _job_of(self, config: dict[str, Any]) -> TrialJob:
        template: TrialJob = config["template"]
        proposal, seen = config[PROPOSAL], config.get(SEEN, {})
        self._last = dict(config.get(LAST, {}))
        return replace(template.configured(**proposal), **seen)

    def _begin(self, job: TrialJob) -> bool:
        """Start the job in a slot; False where none is leased any more: the sweep is ending."""
        self._job = job
        while name := ray.get(self._leases.lease.remote(job.trial)):
            with suppress(ray.exceptions.RayActorError, ValueError):  # it has died meanwhile
                self._slot, self._name = ray.get_actor(name), name
                self._job_id = ray.get(self._slot.start.remote(job))
                return True
        self._slot = None
        return False

    def _turn(self) -> Turn:
        """Wait for the next turn; a slot that dies meanwhile has another one go on."""
        try:
            return ray.get(self._slot.next_turn.remote())  # type: ignore[no-any-return]
        except ray.exceptions.RayActorError:
            return Turn(0, again=after_death(self._job, self._last.get("step", -1)))

    def _done(self) -> dict[str, Any]:
        return {**self._last, "repeat": True, "done": True}

    def _result(self, turn: Turn) -> dict[str, Any]:
        metrics = turn.metrics or {}
        found = objective_results(metrics, self._objectives)
        penalised = {name: value for name, value in found.items() if name.startswith("eval/")}
        return {
            # One value to Tune, which keeps statistics of every number of every trial.
            "metrics": tuple((metrics | penalised).items()),
            **{name: value for name, value in found.items() if name in OBJECTIVES},
            "step": turn.step,
            "fraction": turn.fraction,
            "slot": self._name,
            "job_id": self._job_id,
            "events": turn.events,
        }

    def _leave(self) -> None:
        if self._slot is None:
            return
        with suppress(ray.exceptions.RayActorError):  # it has died: its successor is on its way
            ray.get(self._slot.wait_idle.remote())
            ray.get(self._leases.release.remote(self._name))
        self._slot = None
