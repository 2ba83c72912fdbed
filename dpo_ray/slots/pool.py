"""All slots of a sweep, and who may use which."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, TypeVar

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from dpo_ray.slots.events import Turn
from dpo_ray.slots.mailbox import SlotMailbox
from dpo_ray.slots.slot import Slot, SlotShape
from dpo_ray.training.jobs import Job, Outcome

GOING_HOME_S = 60.0
"""Workers that are still importing go home only when they are through. Killing them on a cluster
that others use would leave their reservation behind until this driver ends."""
ANSWER_S = 5.0
CHECK_S = 0.5
TRACE = 0.001
"""Of a node's own resource, which says no more than where something runs."""

AnyJob = TypeVar("AnyJob", bound=Job)


class Leases:
    """The free slots of a pool, as an actor: a slot has one holder at a time, and is warm."""

    def __init__(self, names: list[str]) -> None:
        self._free: asyncio.Queue[str] = asyncio.Queue()
        self._coming: set[asyncio.Task[None]] = set()
        for name in names:
            self._free.put_nowait(name)

    async def lease(self) -> str:
        """Wait for a free slot and return its name; empty once the pool is closing."""
        name = await self._free.get()
        if not name:
            self._free.put_nowait(name)
        return name

    async def release(self, name: str) -> None:
        """Give a slot back, to be leased once it is warm, or never will be; returns at once."""
        task = asyncio.create_task(self._when_warm(name))
        self._coming.add(task)
        task.add_done_callback(self._coming.discard)

    async def close(self) -> None:
        """Lease nothing any more; whoever waits is told."""
        while not self._free.empty():
            self._free.get_nowait()
        self._free.put_nowait("")

    async def _when_warm(self, name: str) -> None:
        await ray.get_actor(name).wait_warm.remote()
        await self._free.put(name)


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
        remote = ray.remote(num_cpus=0, scheduling_strategy=here)(actor)
        names = [f"{name}-slot-{number}" for number in range(count)]
        self.leases_name = f"{name}-leases"
        self.slots: dict[str, Any] = {
            each: remote.options(name=each).remote(each, shape) for each in names
        }
        leases = ray.remote(num_cpus=0, scheduling_strategy=here)(Leases)
        self._leases = leases.options(name=self.leases_name).remote([])
        self._opened = [slot.open.remote() for slot in self.slots.values()]
        self._opened += [self._leases.release.remote(each) for each in names]

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
        arriving = [slot.wait_warm.remote() for slot in self.slots.values()]
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
        waiting = deque(jobs)
        left = len(waiting)
        idle: list[str] = []
        arriving = {slot.wait_warm.remote(): name for name, slot in self.slots.items()}
        working: dict[Any, tuple[str, AnyJob, int]] = {}
        while left:
            ready, _ = ray.wait([*arriving, *working], timeout=CHECK_S)
            check()
            for answer in ready:
                if answer in arriving:
                    idle.append(arriving.pop(answer))
                else:
                    name, job, job_id = working.pop(answer)
                    slot, turn = self.slots[name], ray.get(answer)
                    if turn.outcome is None:
                        on_rung(name, job, turn)
                        slot.decide.remote(job_id, "continue")
                        working[slot.next_turn.remote()] = name, job, job_id
                    elif turn.again is not None:
                        waiting.appendleft(turn.again)
                        arriving[slot.wait_warm.remote()] = name
                    else:
                        left -= 1
                        idle.append(name)
                        yield job, turn.outcome
                while idle and waiting:
                    name, job = idle.pop(), waiting.popleft()
                    slot = self.slots[name]
                    working[slot.next_turn.remote()] = name, job, ray.get(slot.start.remote(job))

    def cancel_all(self, timeout_s: float) -> bool:
        """Cancel what runs and lease nothing more; say whether all came home within the time."""
        self._leases.close.remote()
        for slot in self.slots.values():
            slot.cancel.remote()
        waiting = [slot.wait_idle.remote() for slot in self.slots.values()]
        _, late = ray.wait(waiting, num_returns=len(waiting), timeout=timeout_s)
        return not late

    def close(self) -> None:
        """Send all workers home and end the actors, by force where they do not go."""
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

    def _running(self, slot: Any) -> bool:
        try:
            return bool(ray.get(slot.running.remote(), timeout=ANSWER_S))
        except ray.exceptions.RayError:
            return False
