"""The meeting place of one worker group and whoever holds the slot's lease.

Pure asyncio, without Ray: the slot actor serves it, tests call it directly. All methods run in
one event loop.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from dpo_ray.slots.events import (
    Cold,
    Ended,
    Event,
    Logged,
    SftEnded,
    SftLogged,
    SftStarted,
    Started,
    Turn,
    Warm,
    Wrote,
)
from dpo_ray.slots.overdue import Vitals
from dpo_ray.training.jobs import Job, Outcome, SftJob, Texts, TrialJob, Verdict
from dpo_ray.training.mailbox import Handed

IDLE_S = 20.0
RETRIES = 1
"""How often a job of the preparation is handed out again if its workers died."""


class SlotMailbox:
    """Jobs go in, turns and events come out; one job at a time.

    A job stays current until `finish`, so a restarted worker group, which asks with
    `last=0`, is handed it again to go on with, and what it reports a second time is not passed
    on twice; nor is what the journal of a resumed trial has. What a worker still says of a job
    that is over is not heard. `clock` gives seconds.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._clock = clock
        self._job: Job | None = None
        self._job_id = self._finished_id = self._attempts = 0
        self._began = self._sign = 0.0
        self._told: float | None = None
        self._verdict: Verdict = "continue"
        self._decided: asyncio.Future[Verdict] | None = None
        self._seen_rung = self._seen_log = -1
        self._handed_out, self._begun_by = 0, -1
        self._written: set[tuple[str, bool]] = set()
        self._turns: asyncio.Queue[Turn] = asyncio.Queue()
        self._events: list[Event] = []
        self._changed = asyncio.Condition()
        self._closed = False
        self._broken: str | None = None
        self._warm = False

    # -- the lease holder's side

    async def start(self, job: Job) -> int:
        """Hand in a job once the one before is home. Returns its id."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._idle)
            self._job_id += 1
            self._job, self._attempts = job, 0
            self._verdict, self._decided = "continue", None
            self._seen_rung = job.seen_rung if isinstance(job, TrialJob) else -1
            self._seen_log = job.seen_log if isinstance(job, TrialJob) else -1
            self._told = None
            self._handed_out, self._begun_by = 0, -1
            self._written = set()
            self._turns = asyncio.Queue()
            self._changed.notify_all()
        if self._broken is not None:
            await self.finish(self._job_id, Outcome("FAILED", self._broken, fatal="workers"))
        return self._job_id

    async def next_turn(self) -> Turn:
        """Wait for the current job's next rung or its end."""
        return await self._turns.get()

    async def decide(self, job_id: int, verdict: Verdict) -> None:
        """Answer the rung that waits; an answer to an older job is ignored."""
        if job_id == self._job_id and self._decided is not None and not self._decided.done():
            self._sign = self._clock()  # from now on it is for the workers to say something
            self._decided.set_result(verdict)

    async def cancel(self) -> None:
        """Have the current job stop at its next poll or rung; returns at once.

        A job that no worker has taken yet is over with this: cold workers may need a while.
        """
        self._verdict = "cancel"
        await self.decide(self._job_id, "cancel")
        if not self._attempts:
            await self.finish(self._job_id, Outcome("KILLED", "cancelled before it began"))

    async def time_out(self) -> None:
        """Have the current job leave as one whose time is over; returns at once."""
        self._told = self._clock()
        if self._verdict == "continue":
            self._verdict = "timeout"
            await self.decide(self._job_id, "timeout")

    @property
    def vitals(self) -> Vitals | None:
        """The job at work, unless no worker has taken it yet."""
        if self._idle or not self._attempts:
            return None
        waiting = self._decided is not None and not self._decided.done()
        vitals = Vitals(self._job_id, self._began, self._sign, waiting, self._told)
        if not isinstance(self._job, TrialJob):
            return vitals
        return replace(vitals, trial_s=self._job.trial_s, silent_s=self._job.silent_s)

    async def fail(self, job_id: int, reason: str) -> None:
        """End a job whose workers will not."""
        step = max(self._seen_log, self._seen_rung, 0)
        seconds = self._clock() - self._began
        await self.finish(job_id, Outcome("FAILED", reason, step=step, seconds=seconds))

    async def abandon(self, trial: int, reason: str) -> None:
        """End a trial whose holder has died; its workers leave it as soon as they ask."""
        if self._idle or not isinstance(self._job, TrialJob) or self._job.trial != trial:
            return
        self._verdict = "cancel"
        await self.decide(self._job_id, "cancel")
        await self.fail(self._job_id, reason)

    async def cool(self, reason: str) -> None:
        """The workers are gone, and may come back: another slot goes on with the current job."""
        self._warm = False
        await self._publish(Cold(reason))
        job = self._job
        if job is None or self._idle:
            return
        if isinstance(job, TrialJob):
            rung, log = self._seen_rung, self._seen_log
            job = replace(job, resume=True, seen_rung=rung, seen_log=log)
        step, seconds = max(self._seen_log, self._seen_rung, 0), self._clock() - self._began
        outcome = Outcome("KILLED", reason, step=step, seconds=seconds)
        await self.finish(self._job_id, outcome, again=job)

    async def forgive(self) -> None:
        """The workers left with their node: that was no fault of the job's."""
        self._attempts = max(0, self._attempts - 1)

    async def wait_warm(self) -> None:
        """Return when a worker has asked for its first job, or never will."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._warm or self._broken is not None)

    async def wait_idle(self) -> None:
        """Return when no job is at work."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._idle)

    async def close(self) -> None:
        """Send the workers home after the current job."""
        async with self._changed:
            self._closed = True
            self._changed.notify_all()

    async def break_down(self, reason: str) -> None:
        """The worker group is gone for good: end the current job and refuse later ones."""
        async with self._changed:
            self._broken = self._broken or reason
            self._changed.notify_all()
        if not self._idle:
            await self.finish(self._job_id, Outcome("FAILED", reason, fatal="workers"))

    # -- the driver's side

    async def events(self, after: int, wait_s: float) -> list[Event]:
        """Return all events from number `after` on, waiting a while for the first."""
        async with self._changed:
            with suppress(TimeoutError):
                ready = self._changed.wait_for(lambda: len(self._events) > after)
                await asyncio.wait_for(ready, wait_s)
        return self._events[after:]

    # -- the workers' side, rank 0 alone

    async def next_job(self, last: int) -> Handed:
        """Hand out the current job; wait in slices so that the other ranks never time out."""
        async with self._changed:
            if not self._warm:
                self._warm = True
                self._events.append(Warm())
                self._changed.notify_all()
            try:
                ready = self._changed.wait_for(lambda: self._closed or not self._idle)
                await asyncio.wait_for(ready, IDLE_S)
            except TimeoutError:
                return Handed()
        if self._idle:
            return Handed(closed=self._closed)
        self._attempts += 1
        self._handed_out += 1
        self._sign = self._clock()
        again = self._job
        if self._attempts == 1:
            self._began = self._sign
        deaths, allowed = self._attempts - 1, RETRIES
        if isinstance(again, TrialJob):
            deaths, allowed = deaths + again.deaths, again.retries
        if deaths > allowed:
            times = "once" if deaths == 1 else f"{deaths} times"
            await self.fail(self._job_id, f"its worker died {times}")
            return Handed()
        if self._attempts > 1 and isinstance(again, TrialJob):
            # A checkpoint at a rung is written after its verdict: whoever goes on has it already.
            again = replace(again, resume=True, seen_rung=self._seen_rung)
        return Handed(self._job_id, again)

    async def started(
        self, job_id: int, total_steps: int, texts: Texts | None = None, step: int = 0
    ) -> None:
        """Note the start, and where other workers went on with a trial."""
        if not self._hears(job_id) or self._begun_by == self._handed_out:
            return
        again, self._begun_by = self._begun_by >= 0, self._handed_out
        if isinstance(self._job, TrialJob):
            job = replace(self._job, resume=True) if again else self._job
            await self._publish(Started(job, self.name, total_steps, step))
        elif isinstance(self._job, SftJob) and not again:
            await self._publish(SftStarted(self._job, self.name, total_steps, texts or Texts()))

    async def log(
        self,
        job_id: int,
        step: int,
        metrics: dict[str, float],
        system: dict[str, float] | None = None,
    ) -> None:
        """Note a logging step not seen before."""
        if not self._hears(job_id) or step <= self._seen_log:
            return
        self._seen_log = step
        if isinstance(self._job, TrialJob):
            await self._publish(Logged(self._job.trial, step, metrics, system or {}))
        elif isinstance(self._job, SftJob):
            await self._publish(SftLogged(step, metrics, system or {}))

    async def report(
        self, job_id: int, step: int, fraction: float, metrics: dict[str, float]
    ) -> Verdict:
        """Pass a rung on and wait for its verdict; one seen before is not passed on again."""
        if not self._hears(job_id):
            return "cancel"
        if self._verdict != "continue" or step < self._seen_rung:
            return self._verdict
        if step > self._seen_rung:
            self._seen_rung = step
            self._decided = asyncio.get_running_loop().create_future()
            self._turns.put_nowait(Turn(len(self._events), step, fraction, metrics))
        if self._decided is not None:
            # Whoever asked first may have died while it waited; the verdict is for the next, too.
            verdict = await asyncio.shield(self._decided)
            if job_id != self._job_id:  # it was ended meanwhile, and the next one has begun
                return "cancel"
            self._verdict = verdict if self._verdict == "continue" else self._verdict
        return self._verdict

    async def wrote(self, job_id: int, path: str, folder: str, table: bool = False) -> None:
        """Note a finished file, once."""
        known = (path, table) in self._written
        if not self._hears(job_id) or not isinstance(self._job, TrialJob) or known:
            return
        self._written.add((path, table))
        await self._publish(Wrote(self._job.trial, path, folder, table))

    async def poll(self, job_id: int) -> Verdict:
        """Say between rungs whether the job is to end."""
        return self._verdict if self._hears(job_id) else "cancel"

    async def finish(self, job_id: int, outcome: Outcome, again: Job | None = None) -> None:
        """Close the current job. `again`: what another slot is to go on with."""
        if job_id != self._job_id or self._idle:
            return
        # A job that broke before its first step has a beginning all the same.
        if self._begun_by < 0:
            await self.started(job_id, 0)
        if isinstance(self._job, TrialJob):
            await self._publish(Ended(self._job.trial, outcome))
        elif isinstance(self._job, SftJob):
            await self._publish(SftEnded(outcome))
        async with self._changed:
            self._finished_id = job_id
            self._turns.put_nowait(Turn(len(self._events), outcome=outcome, again=again))
            self._changed.notify_all()

    def _hears(self, job_id: int) -> bool:
        """Note a sign of life; False if it is of a job that is over."""
        if job_id != self._job_id or self._idle:
            return False
        self._sign = self._clock()
        return True

    @property
    def _idle(self) -> bool:
        return self._job_id == self._finished_id

    async def _publish(self, event: Event) -> None:
        async with self._changed:
            self._events.append(event)
            self._changed.notify_all()
