"""All slots of a sweep, and who may use which."""

import asyncio
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Generic, TypeVar

import ray

from dpo_ray.slots.events import Turn
from dpo_ray.slots.mailbox import SlotMailbox
from dpo_ray.slots.slot import Slot, SlotShape
from dpo_ray.training.jobs import Job, Outcome, TrialJob, after_death

GOING_HOME_S = 60.0
"""Workers that are still importing go home only when they are through. Killing them on a cluster
that others use would leave their reservation behind until this driver ends."""
ANSWER_S = 5.0
CHECK_S = 0.5
DEATHS = 2
"""So many slots may die of one job of the preparation; a trial counts its own."""

AnyJob = TypeVar("AnyJob", bound=Job)


class Leases:
    """The free slots of a pool, as an actor: a slot has one holder at a time."""

    def __init__(self, names: list[str]) -> None:
        self._free: asyncio.Queue[str] = asyncio.Queue()
        for name in names:
            self._free.put_nowait(name)

    async def lease(self) -> str:
        """Wait for a free slot and return its name."""
        return await self._free.get()

    async def release(self, name: str) -> None:
        """Give a slot back."""
        await self._free.put(name)


@dataclass(frozen=True)
class _Work(Generic[AnyJob]):
    """A job on a slot; `deaths` counts slots that have died of it."""

    slot: str
    job: AnyJob
    job_id: int
    deaths: int

    def after(self, turn: Turn) -> "_Work[AnyJob]":
        """Return it with a rung passed."""
        if not isinstance(self.job, TrialJob):
            return self
        return replace(self, job=replace(self.job, seen_rung=turn.step))

    @property
    def again(self) -> tuple[Any, int]:
        """The job to be gone on with after its slot's death."""
        if isinstance(self.job, TrialJob):
            return after_death(self.job), self.deaths + 1
        return self.job, self.deaths + 1

    @property
    def is_hopeless(self) -> bool:
        """Whether another slot would only die of it, too."""
        return not isinstance(self.job, TrialJob) and self.deaths + 1 >= DEATHS


class SlotPool:
    """Opens `count` slots in parallel and closes them, with all their workers, at the end.

    Owned by the driver. `name` must be unique among the live pools of a cluster. Closing waits
    up to `going_home_s` for workers to leave by themselves. `actor` is the slots' class, built
    with its name and `shape`.
    """

    def __init__(
        self,
        name: str,
        count: int,
        shape: SlotShape,
        going_home_s: float = GOING_HOME_S,
        actor: type[SlotMailbox] = Slot,
    ) -> None:
        self._going_home_s = going_home_s
        self._name, self._shape, self._actor = name, shape, ray.remote(num_cpus=0)(actor)
        self._numbers = itertools.count()
        self._replacing, self._closing = threading.Lock(), False
        self._successors: dict[str, str] = {}
        self.leases_name = f"{name}-leases"
        self.slots: dict[str, Any] = {}
        """Those that live. One that dies is replaced, so iterate over a copy."""
        names = [self._open() for _ in range(count)]
        self._leases = ray.remote(num_cpus=0)(Leases).options(name=self.leases_name).remote(names)

    def replace(self, name: str) -> str | None:
        """Open a slot in place of one whose process died, and return its name; None if the pool is
        closing.

        Whoever notices the death may ask, in any thread: the answer is the same. The new slot is
        free, and what the old one had begun is for its holder to begin again.
        """
        with self._replacing:
            if self._closing:
                return None
            if name not in self._successors:
                del self.slots[name]
                self._successors[name] = self._open()
                self._leases.release.remote(self._successors[name])
            return self._successors[name]

    def run(self, job: Job, check: Callable[[], None] = lambda: None) -> Outcome:
        """Do one job on the first warm slot and wait for its end.

        `check` is called now and then meanwhile; what it raises ends the waiting.
        """
        return next(self.run_all([job], check))[1]

    def wait_warm(self, check: Callable[[], None] = lambda: None) -> None:
        """Return when the first slot is warm, or never will be; `check` is as in `run`."""
        arriving = [slot.wait_warm.remote() for slot in list(self.slots.values())]
        while not ray.wait(arriving, timeout=CHECK_S)[0]:
            check()

    def run_all(
        self,
        jobs: Iterable[AnyJob],
        check: Callable[[], None] = lambda: None,
        on_rung: Callable[[str, AnyJob, Turn], None] = lambda *_: None,
    ) -> Iterator[tuple[AnyJob, Outcome]]:
        """Do jobs on every slot that is warm, and yield each with its end.

        Only while no search leases slots. A slot that is still cold when the last job is handed
        out is not waited for. `check` is as in `run`. `on_rung` is told the slot's name, the job
        and each of its rungs; then the job goes on.
        """
        waiting = deque((job, 0) for job in jobs)
        left = len(waiting)
        arriving = {slot.wait_warm.remote(): name for name, slot in list(self.slots.items())}
        working: dict[Any, _Work[AnyJob]] = {}
        while left:
            ready, _ = ray.wait([*arriving, *working], timeout=CHECK_S)
            check()
            for answer in ready:
                work = working.pop(answer, None)
                name = work.slot if work is not None else arriving.pop(answer)
                try:
                    turn: Turn | None = ray.get(answer)
                    if work is not None and turn is not None:
                        if turn.outcome is None:
                            on_rung(name, work.job, turn)
                            self.slots[name].decide.remote(work.job_id, "continue")
                            working[self.slots[name].next_turn.remote()] = work.after(turn)
                            continue
                        left -= 1
                        yield work.job, turn.outcome
                        work = None
                    if waiting:
                        job, deaths = waiting.popleft()
                        work = _Work(name, job, 0, deaths)
                        work = replace(work, job_id=ray.get(self.slots[name].start.remote(job)))
                        working[self.slots[name].next_turn.remote()] = work
                except ray.exceptions.RayActorError:
                    if work is not None and work.is_hopeless:
                        left -= 1
                        yield work.job, Outcome("FAILED", f"{DEATHS} slots died", fatal="workers")
                    elif work is not None:
                        waiting.appendleft(work.again)
                    successor = self.replace(name)
                    if successor is not None:
                        arriving[self.slots[successor].wait_warm.remote()] = successor

    def cancel_all(self, timeout_s: float) -> bool:
        """Cancel what runs; say whether every slot came home within the time."""
        slots = list(self.slots.values())
        for slot in slots:
            slot.cancel.remote()
        waiting = [slot.wait_idle.remote() for slot in slots]
        _, late = ray.wait(waiting, num_returns=len(waiting), timeout=timeout_s)
        return not late

    def close(self) -> None:
        """Send all workers home and end the actors, by force where they do not go."""
        with self._replacing:
            self._closing = True
        for slot in self.slots.values():
            slot.close.remote()
        deadline = time.monotonic() + self._going_home_s
        for slot in self.slots.values():
            while self._running(slot) and time.monotonic() < deadline:
                time.sleep(0.1)
            ray.kill(slot)
        ray.kill(self._leases)

    def __enter__(self) -> "SlotPool":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self) -> str:
        name = f"{self._name}-slot-{next(self._numbers)}"
        self.slots[name] = self._actor.options(name=name).remote(name, self._shape)
        self.slots[name].open.remote()
        return name

    def _running(self, slot: Any) -> bool:
        try:
            return bool(ray.get(slot.running.remote(), timeout=ANSWER_S))
        except ray.exceptions.RayError:
            return False
