"""A slot: a Ray actor that keeps one Ray Train worker group alive and serves its mailbox."""

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import ray

from dpo_ray.cluster.sight import Sight
from dpo_ray.slots.mailbox import SlotMailbox
from dpo_ray.slots.members import Member, end_all
from dpo_ray.slots.overdue import Overdue, overdue

WATCH_S = 0.5
NODES_S = 5.0


@dataclass(frozen=True)
class SlotShape:
    """The worker group of one slot. `gpus` is per worker; 0 means CPU."""

    workers: int
    cpus: float
    gpus: float
    storage: str
    """A folder of Ray Train's own on the node; nothing of a sweep lies there."""
    disposable: bool = False
    """The cluster ends with the pool, so nobody need clean up after a driver that died."""
    custom: Mapping[str, float] = field(default_factory=dict)
    """What a worker takes of Ray's custom resources."""
    sight: Sight | None = None
    """What every worker's node must see; None: there is one node."""


class Slot(SlotMailbox):
    """The mailbox as an actor, with its worker group in a thread. Run it with `num_cpus=0`."""

    def __init__(self, name: str, shape: SlotShape) -> None:
        super().__init__(name)
        self._shape = shape
        self._handle = ray.get_runtime_context().current_actor
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._members: dict[int, Member] = {}
        self._left = False

    async def open(self) -> None:
        """Start the worker group and its watch; returns at once."""
        self._loop = asyncio.get_running_loop()
        self._watch = asyncio.create_task(self._watch_over())
        self._thread.start()

    async def join(self, rank: int, member: Member) -> None:
        """Note where a rank lives; a restarted group tells it anew."""
        before = self._members.get(rank)
        if before is not None and rank == 0 and before.node in await _nodes_gone():
            await self.forgive()
        self._members[rank], self._left = member, False
        self._sign = self._clock()

    async def running(self) -> bool:
        """Whether the worker group is still there; one that has lost its node is not waited for."""
        return self._thread.is_alive() and not self._left

    async def _watch_over(self) -> None:
        looked = self._clock()
        while True:
            await asyncio.sleep(WATCH_S)
            if not self._shape.disposable and self._clock() - looked > NODES_S:
                looked = self._clock()
                await self._look_at_nodes()
            vitals = self.vitals
            found = None if vitals is None else overdue(vitals, self._clock())
            if vitals is not None and found is not None:
                await self._act(vitals.job_id, found)

    async def _look_at_nodes(self) -> None:
        """Take no job while a worker's node is gone: it may be long until another has room."""
        gone = await _nodes_gone() if self._members else set()
        if any(each.node in gone for each in self._members.values()):
            self._members, self._left = {}, True
            await self.cool(f"{self.name}: the node of its workers has left the cluster")

    async def _act(self, job_id: int, found: Overdue) -> None:
        if found.act == "leave":
            await self.time_out()
            return
        # Dead first, so that none of them takes the next job; Ray Train starts others.
        await end_all(self._members.values())
        self._members = {}
        await self.fail(job_id, found.reason)

    def _serve(self) -> None:
        try:
            self._trainer().fit()
            reason = f"{self.name}: its workers went home"
        except Exception as error:
            reason = f"{self.name}: its worker group is gone: {str(error)[:500]}"
        # Whoever waits for a turn would wait for ever.
        asyncio.run_coroutine_threadsafe(self.break_down(reason), self._loop)

    def _trainer(self) -> Any:
        from ray.train import FailureConfig, RunConfig, ScalingConfig

        from dpo_ray.slots.group import WorkerGroupTrainer, backend
        from dpo_ray.slots.worker import work_for_slot

        shape = self._shape
        resources = {"CPU": shape.cpus} | ({"GPU": shape.gpus} if shape.gpus else {})
        resources |= shape.custom
        return WorkerGroupTrainer(
            work_for_slot,
            disposable=shape.disposable,
            backend_config=backend(shape.workers, shape.gpus),
            train_loop_config={"slot": self._handle, "gpus": shape.gpus, "sight": shape.sight},
            scaling_config=ScalingConfig(
                num_workers=shape.workers,
                use_gpu=shape.gpus > 0,
                resources_per_worker=resources,
            ),
            run_config=RunConfig(
                name=self.name,
                storage_path=shape.storage,
                # Counts over the slot's whole life; the mailbox counts per job.
                failure_config=FailureConfig(max_failures=-1),
            ),
        )


async def _nodes_gone() -> set[str]:
    nodes = await asyncio.to_thread(ray.nodes)
    return {each["NodeID"] for each in nodes if not each["Alive"]}
