"""Who may use which slot of a pool."""

import asyncio

import ray


class Leases:
    """The free slots of a pool, as an actor: a slot has one holder at a time, and is warm.

    Holders are trials, by number. One whose process has died cannot give its slot back, so
    somebody else says that it is gone.
    """

    def __init__(self, names: list[str]) -> None:
        self._free: asyncio.Queue[str] = asyncio.Queue()
        self._held: dict[str, int] = {}
        self._gone: set[int] = set()
        self._coming: set[asyncio.Task[None]] = set()
        for name in names:
            self._free.put_nowait(name)

    async def lease(self, holder: int) -> str:
        """Wait for a free slot and return its name; empty once the pool is closing."""
        name = await self._free.get()
        if not name or holder in self._gone:
            self._free.put_nowait(name)
            return ""
        self._held[name] = holder
        return name

    async def forsaken(self, holder: int) -> str:
        """Lease nothing to a trial any more, and return the slot that it still holds, or none."""
        self._gone.add(holder)
        return next((name for name, its in self._held.items() if its == holder), "")

    async def release(self, name: str) -> None:
        """Give a slot back, to be leased once it is warm, or never will be; returns at once."""
        self._held.pop(name, None)
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
