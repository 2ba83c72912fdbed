"""A slot without training: what its trials report is a formula of their configuration.

It serves the same mailbox to the same callers, so all of a sweep but the training can be tried out:
searchers, early stopping, journal, mirrors, failures, a thousand trials in minutes.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from dpo_ray.slots.mailbox import SlotMailbox
from dpo_ray.slots.rehearsal_metrics import evaluation_metrics, training_metrics
from dpo_ray.slots.slot import SlotShape
from dpo_ray.training.jobs import Job, Outcome, State, TrialJob, Verdict
from dpo_ray.training.rungs import evaluated_steps

EPOCH = 60
"""Optimizer steps of an epoch: there are no pairs to count."""
ENDS: dict[Verdict, tuple[State, str]] = {
    "continue": ("COMPLETED", "rehearsed all its steps"),
    "stop": ("STOPPED", "stopped at a rung"),
    "cancel": ("KILLED", "cancelled with the sweep"),
}


@dataclass(frozen=True)
class RehearsalShape(SlotShape):
    """How a slot rehearses. It has no worker group: its worker is a task in the slot itself."""

    workers: int = 1
    cpus: float = 0.0
    gpus: float = 0.0
    storage: str = ""
    pause_s: float = 0.0
    """How long a trial takes from one of its rungs to the next."""
    cold_s: float = 0.0
    """How much longer a slot's first trial takes, as cold workers do."""
    fails: Mapping[int, float] = field(default_factory=dict)
    """Trials that fail, each with the share of its steps that it still does; 0: before it has
    reported anything."""
    hangs: Mapping[int, float] = field(default_factory=dict)
    """Trials that fall silent, likewise: deaf to a cancel, their slot is taken until the mailbox
    itself ends the job or the slot closes."""


class RehearsalSlot(SlotMailbox):
    """The mailbox as an actor, with its worker in the same event loop; trials only.

    Every step of a trial is a function of its configuration, its number and its seed, so two
    sweeps that propose the same get the same.
    """

    def __init__(self, name: str, shape: RehearsalShape) -> None:
        super().__init__(name)
        self._shape = shape
        self._worker: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Set the worker to work; returns at once."""
        self._worker = asyncio.create_task(self._serve())

    async def running(self) -> bool:
        """Whether the worker is still there."""
        return self._worker is not None and not self._worker.done()

    async def _serve(self) -> None:
        try:
            await self._work()
            reason = f"{self.name}: its worker went home"
        except Exception as error:
            reason = f"{self.name}: its worker is gone: {str(error)[:500]}"
        await self.break_down(reason)

    async def _work(self) -> None:
        last = 0
        while not (handed := await self.next_job(last)).closed:
            if handed.job is not None:
                last = handed.job_id
                await self.finish(last, await self._rehearse(last, handed.job))

    async def _rehearse(self, job_id: int, job: Job) -> Outcome:
        if not isinstance(job, TrialJob):
            return Outcome("FAILED", f"a rehearsal takes trials only, got a {type(job).__name__}")
        began, total = time.time(), steps_of(job)
        reached = max(job.seen_rung, 0) if job.resume else 0
        await self.started(job_id, total, step=reached)
        await asyncio.sleep(self._shape.cold_s if job_id == 1 else 0.0)
        verdict = await self.poll(job_id)
        for step in steps_told(job, total, after=reached):
            if verdict != "continue":
                break
            if _over(self._shape.hangs, job, step / total):
                await self._hang(job_id)
            if _over(self._shape.fails, job, step / total):
                return Outcome("FAILED", f"fails as rehearsed, step {step}", step, _since(began))
            verdict, reached = await self._tell(job_id, job, step, total), step
        state, reason = ENDS[verdict]
        return Outcome(state, reason, reached, _since(began))

    async def _tell(self, job_id: int, job: TrialJob, step: int, total: int) -> Verdict:
        """Say what there is to say at a step, and return what the slot says to it."""
        fraction = evaluated_steps(total, job.evaluation.at, job.stop_at).get(step)
        if step % job.training.logging_steps == 0 and step > job.seen_log:
            await self.log(job_id, step, training_metrics(job, step, total))
        if fraction is None or step <= job.seen_rung:
            return await self.poll(job_id)
        await asyncio.sleep(self._shape.pause_s)
        metrics = evaluation_metrics(job, step, total) if job.evaluate else {}
        return await self.report(job_id, step, fraction, metrics)

    async def _hang(self, job_id: int) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or self._finished_id >= job_id)


def steps_of(job: TrialJob) -> int:
    """Return the optimizer steps of a trial; an epoch has EPOCH."""
    return job.training.max_steps or max(1, round(EPOCH * job.training.epochs))


def steps_told(job: TrialJob, total: int, after: int = 0) -> list[int]:
    """Return the steps later than `after` at which a trial logs or is evaluated, in order."""
    rungs = evaluated_steps(total, job.evaluation.at, job.stop_at)
    every, last = job.training.logging_steps, max(rungs)
    return sorted(step for step in {*range(every, last, every), *rungs} if step > after)


def _over(shares: Mapping[int, float], job: TrialJob, share: float) -> bool:
    return job.trial in shares and share > shares[job.trial]


def _since(began: float) -> float:
    return time.time() - began
