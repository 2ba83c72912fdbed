"""Slots without a place: nodes that an autoscaler has yet to bring, or that have left."""

import time
from collections.abc import Callable

from dpo_ray.slots.events import Cold, Warm

LEFT_MINUTES = 10.0
"""How long nodes that have left may take to come back, where cluster.wait_minutes does not say."""


class RoomWatch:
    """Knows which slots are warm; shared by the pump's thread and the driver's.

    `describe` says what is asked and what is there; it is called once it is too late.
    """

    def __init__(
        self,
        minutes: float | None,
        describe: Callable[[], str],
        told: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._minutes = LEFT_MINUTES if minutes is None else minutes
        self._describe, self._told, self._clock = describe, told, clock
        self._warm: set[str] = set()
        self._lost: set[str] = set()
        self._none_since: float | None = clock()
        self._trouble = ""

    def __call__(self, slot: str, event: Warm | Cold) -> None:
        """Take in that a slot has warmed up, or has lost its workers."""
        if isinstance(event, Warm):
            if slot in self._lost:
                self._told(f"{slot} is back")
            self._lost.discard(slot)
            self._warm.add(slot)
            self._none_since = None
            return
        self._told(f"{event.reason}; what it did goes on in another slot, or here when it is back")
        self._lost.add(slot)
        self._warm.discard(slot)
        if not self._warm:
            self._none_since = self._clock()

    def trouble(self) -> str:
        """Return why no slot has had a place for too long, or nothing."""
        since = self._none_since
        if not self._trouble and since is not None and self._clock() - since > 60 * self._minutes:
            self._trouble = (
                f"no slot has had a place for {self._minutes:g} minutes (cluster.wait_minutes): "
                f"{self._describe()}"
            )
        return self._trouble
