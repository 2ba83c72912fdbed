"""A slot: a Ray actor that keeps one Ray Train worker group alive and serves its mailbox."""

import asyncio
import threading
from dataclasses import dataclass
from typing import Any

import ray

from dpo_ray.slots.mailbox import SlotMailbox
from dpo_ray.slots.members import Member, end_all
from dpo_ray.slots.overdue import Overdue, overdue

WATCH_S = 0.5


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


class Slot(SlotMailbox):
    """The mailbox as an actor, with its worker group in a thread. Run it with `num_cpus=0`."""

    def __init__(self, name: str, shape: SlotShape) -> None:
        super().__init__(name)
        self._shape = shape
        self._handle = ray.get_runtime_context().current_actor
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._members: dict[int, Member] = {}

    async def open(self) -> None:
        """Start the worker group and its watch; returns at once."""
        self._loop = asyncio.get_running_loop()
        self._watch = asyncio.create_task(self._watch_over())
        self._thread.start()

    async def join(self, rank: int, member: Member) -> None:
        """Note where a rank lives; a restarted group tells it anew."""
        self._members[rank] = member
        self._sign = self._clock()

    async def running(self) -> bool:
        """Whether the worker group is still there."""
        return self._thread.is_alive()

    async def _watch_over(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            vitals = self.vitals
            found = None if vitals is None else overdue(vitals, self._clock())
            if vitals is not None and found is not None:
                await self._act(vitals.job_id, found)

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
        return WorkerGroupTrainer(
            work_for_slot,
            disposable=shape.disposable,
            backend_config=backend(shape.workers, shape.gpus),
            train_loop_config={"slot": self._handle, "gpus": shape.gpus},
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
