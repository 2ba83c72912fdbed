"""All slots of a sweep, and who may use which."""

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, TypeVar

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from dpo_ray.slots.events import Turn
from dpo_ray.slots.leases import Leases
from dpo_ray.slots.mailbox import SlotMailbox
from dpo_ray.slots.slot import Slot, SlotShape
from dpo_ray.training.jobs import Job, Outcome, TrialJob, after_death

GOING_HOME_S = 60.0
"""Workers that are still importing go home only when they are through. Killing them on a cluster
that others use would leave their reservation behind until this driver ends."""
ANSWER_S = 5.0
CHECK_S = 0.5
DEATHS = 2
DIED = f"{DEATHS + 1} slots died while they did it"
"""So many may die of a job of the preparation until it has failed."""
TRACE = 0.001
"""Of a node's own resource, which says no more than where something runs."""

AnyJob = TypeVar("AnyJob", bound=Job)


@dataclass
class _Work:
    """A job, where it is at work, and how many slots have died while it was."""

    job: Any
    slot: str = ""
    job_id: int = 0
    seen_rung: int = -1
    deaths: int = 0

    def after_death(self) -> "_Work":
        """Return it to be begun again, or gone on with: a trial counts its deaths itself."""
        if isinstance(self.job, TrialJob):
            return replace(self, job=after_death(self.job, self.seen_rung))
        return replace(self, deaths=self.deaths + 1)


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
        self._alone = shape.disposable
        # Beside the driver: what fails with a node that leaves are workers, which are replaced.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._actor = ray.remote(num_cpus=0, scheduling_strategy=here)(actor)
        self._name, self._shape, self._numbers = name, shape, itertools.count()
        self._replacing, self._closing = threading.Lock(), False
        self._successors: dict[str, str] = {}
        self.leases_name = f"{name}-leases"
        self.slots: dict[str, Any] = {}
        """Those that live. One that dies is replaced, so iterate over a copy."""
        leases = ray.remote(num_cpus=0, scheduling_strategy=here)(Leases)
        self._leases = leases.options(name=self.leases_name).remote([])
        for _ in range(count):
            self._open()

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
                # Dead for sure: Ray may only have lost sight of it, with all it had reserved.
                ray.kill(self.slots.pop(name))
                from dpo_ray.slots.group import free_reservations  # Ray Train, seldom needed here

                free_reservations(name)
                self._successors[name] = self._open()
            return self._successors[name]

    def forsake(self, trial: int, reason: str) -> None:
        """Fail a trial whose stand-in died while it held a slot, and free the slot.

        A stand-in that ended by itself has given its slot back, and nothing is left to do.
        """
        with suppress(ray.exceptions.RayError):  # the slot, or all of this, has gone as well
            name = ray.get(self._leases.forsaken.remote(trial), timeout=ANSWER_S)
            if name in self.slots:
                ray.get(self.slots[name].abandon.remote(trial, reason), timeout=ANSWER_S)
                self._leases.release.remote(name)

    def beside_driver(self, resources: Mapping[str, float]) -> Any:
        """Return how Tune is told to run trials with the driver, so that no other node's end is
        theirs: they take `resources` on this machine alone, on a cluster a trace of this node's.
        """
        from ray.tune import PlacementGroupFactory

        if self._alone:
            return PlacementGroupFactory([dict(resources)])
        here = ray.get_runtime_context().get_node_id()
        (own,) = [each for each in ray.nodes() if each["NodeID"] == here]
        name = next(key for key in own["Resources"] if key.startswith("node:") and "__" not in key)
        return PlacementGroupFactory(
            [{name: TRACE}], bundle_label_selector=[{"ray.io/node-id": here}]
        )

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
        waiting = deque(_Work(job) for job in jobs)
        left = len(waiting)
        idle: list[str] = []
        arriving = {slot.wait_warm.remote(): name for name, slot in list(self.slots.items())}
        working: dict[Any, _Work] = {}
        while left:
            ready, _ = ray.wait([*arriving, *working], timeout=CHECK_S)
            check()
            for answer in ready:
                work = working.pop(answer, None)
                name = arriving.pop(answer) if work is None else work.slot
                try:
                    turn: Turn | None = ray.get(answer)
                    if work is None or turn is None:
                        idle.append(name)
                    elif turn.outcome is None:
                        on_rung(name, work.job, turn)
                        work.seen_rung = turn.step
                        self.slots[name].decide.remote(work.job_id, "continue")
                        working[self.slots[name].next_turn.remote()] = work
                    elif turn.again is not None:
                        arriving[self.slots[name].wait_warm.remote()] = name
                        waiting.appendleft(replace(work, job=turn.again))
                    else:
                        left -= 1
                        idle.append(name)
                        yield work.job, turn.outcome
                    while idle and waiting:
                        name, work = idle.pop(), waiting.popleft()
                        working[self._begin(name, work)] = work
                except (ray.exceptions.RayActorError, KeyError):  # it has died, or was replaced
                    successor = self.replace(name)
                    if successor is not None:
                        arriving[self.slots[successor].wait_warm.remote()] = successor
                    if work is not None and work.deaths < DEATHS:
                        waiting.appendleft(work.after_death())
                    elif work is not None:
                        left -= 1
                        yield work.job, Outcome("FAILED", DIED, fatal="workers")

    def _begin(self, name: str, work: _Work) -> Any:
        """Hand a job in and return its first turn to come."""
        slot = self.slots[name]
        work.slot, work.job_id = name, ray.get(slot.start.remote(work.job))
        return slot.next_turn.remote()

    def cancel_all(self, timeout_s: float) -> bool:
        """Cancel what runs and lease nothing more; say whether all came home within the time."""
        self._leases.close.remote()
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
        self._leases.release.remote(name)
        return name

    def _running(self, slot: Any) -> bool:
        try:
            return bool(ray.get(slot.running.remote(), timeout=ANSWER_S))
        except ray.exceptions.RayError:
            return False
