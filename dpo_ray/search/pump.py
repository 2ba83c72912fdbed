"""From the slots' events to the journal, in a thread of its own."""

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import ray

from dpo_ray.search.event_records import to_record
from dpo_ray.slots.events import Cold, Ended, Event, Logged, SftLogged, Warm
from dpo_ray.tracking.journal import Journal

WAIT_S = 1.0
ANSWER_S = 30.0


class EventPump:
    """Follows every slot's events and appends them to the journal in each slot's own order.

    One for a whole sweep, a context manager around all that its slots do. `on_ended` is called,
    in this thread, with each trial's end, `on_slot` with each slot that warms up or cools down.
    """

    def __init__(
        self,
        slots: Mapping[str, Any],
        journal: Journal,
        on_ended: Callable[[Ended], None],
        on_slot: Callable[[str, Warm | Cold], None] = lambda *_: None,
    ) -> None:
        self._on_slot = on_slot
        self._slots = slots
        self._journal = journal
        self._on_ended = on_ended
        self._seen = dict.fromkeys(slots, 0)
        self._moved = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="event-pump", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop following; the slots must be idle, so that nothing is left behind."""
        self._stop.set()
        self._thread.join()

    def wait_for(self, slot: str, events: int, timeout_s: float) -> bool:
        """Return once the slot's first `events` events are in the journal."""
        with self._moved:
            return self._moved.wait_for(lambda: self._seen[slot] >= events, timeout_s)

    def catch_up(self, timeout_s: float = ANSWER_S) -> None:
        """Return once all that the slots have said so far is in the journal."""
        for name, slot in self._slots.items():
            seen = self._seen[name]
            with suppress(ray.exceptions.RayError):  # the slot is gone
                told = ray.get(slot.events.remote(seen, 0.0), timeout=timeout_s)
                self.wait_for(name, seen + len(told), timeout_s)

    def _run(self) -> None:
        asked = {self._ask(name): name for name in self._slots}
        while asked and not (self._stop.is_set() and self._drained(asked)):
            ready, _ = ray.wait(list(asked), timeout=WAIT_S)
            for answer in ready:
                name = asked.pop(answer)
                try:
                    events = ray.get(answer)
                except ray.exceptions.RayError:
                    continue  # the slot is gone, and its trial with it
                self._take(name, events)
                asked[self._ask(name)] = name

    def _ask(self, name: str) -> Any:
        return self._slots[name].events.remote(self._seen[name], WAIT_S)

    def _drained(self, asked: Mapping[Any, str]) -> bool:
        for name in asked.values():
            with suppress(ray.exceptions.RayError):
                answer = self._slots[name].events.remote(self._seen[name], 0.0)
                self._take(name, ray.get(answer, timeout=ANSWER_S))
        return True

    def _take(self, name: str, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Warm | Cold):
                self._on_slot(name, event)
                continue
            self._journal.append(to_record(event), sync=not isinstance(event, Logged | SftLogged))
            if isinstance(event, Ended):
                self._on_ended(event)
        with self._moved:
            self._seen[name] += len(events)
            self._moved.notify_all()
