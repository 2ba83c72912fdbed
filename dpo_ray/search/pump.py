"""From the slots' events to the journal, in a thread of its own."""

import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import ray

from dpo_ray.errors import DpoRayError
from dpo_ray.search.event_records import to_record
from dpo_ray.slots.events import Cold, Ended, Event, Logged, SftLogged, Started, Warm
from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.records import TrialStarted

WAIT_S = 1.0
LOOK_S = 0.1
"""How soon it notices that it is to stop."""
ANSWER_S = 30.0


class EventPump:
    """Follows every slot's events and appends them to the journal in each slot's own order.

    One for a whole sweep, a context manager around all that its slots do. `on_ended` is called,
    in this thread, with each trial's end, `on_slot` with each slot that warms up or cools down, and
    `successor` with one that has died: it gives the name of the slot in its place. What a trial
    tells there again is left out. `on_problem` is called where the journal cannot be written, and
    nothing is followed any more.
    """

    def __init__(
        self,
        slots: Mapping[str, Any],
        journal: Journal,
        on_ended: Callable[[Ended], None],
        on_slot: Callable[[str, Warm | Cold], None] = lambda *_: None,
        successor: Callable[[str], str | None] = lambda _: None,
        on_problem: Callable[[DpoRayError], None] = lambda _: None,
    ) -> None:
        self._on_problem = on_problem
        self._on_slot = on_slot
        self._successor = successor
        self._told: dict[int, int] = {}
        self._begun = {
            each.trial for each in read_journal(journal.path) if isinstance(each, TrialStarted)
        }
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
        for name, slot in list(self._slots.items()):
            seen = self._seen[name]
            with suppress(ray.exceptions.RayError):  # the slot is gone
                told = ray.get(slot.events.remote(seen, 0.0), timeout=timeout_s)
                self.wait_for(name, seen + len(told), timeout_s)

    def _run(self) -> None:
        try:
            self._follow()
        except DpoRayError as problem:
            self._on_problem(problem)
            for name in list(self._seen):
                self._lose(name)

    def _follow(self) -> None:
        asked = {self._ask(name): name for name in self._slots}
        while asked and not (self._stop.is_set() and self._drained(asked)):
            ready, _ = ray.wait(list(asked), timeout=LOOK_S)
            for answer in ready:
                name = asked.pop(answer)
                try:
                    self._take(name, ray.get(answer))
                except ray.exceptions.RayError:
                    self._lose(name)
                    successor = self._successor(name)
                    if successor is None:
                        continue
                    self._seen[successor] = 0
                    name = successor
                asked[self._ask(name)] = name

    def _lose(self, name: str) -> None:
        """Let nobody wait for what a slot did not live to say, or nobody takes down."""
        with self._moved:
            self._seen[name] = sys.maxsize
            self._moved.notify_all()

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
            if isinstance(event, Logged) and not self._is_news(event):
                continue
            told = self._as_begun(event) if isinstance(event, Started) else event
            self._journal.append(to_record(told), sync=not isinstance(event, Logged | SftLogged))
            if isinstance(event, Ended):
                self._on_ended(event)
        with self._moved:
            self._seen[name] += len(events)
            self._moved.notify_all()

    def _as_begun(self, event: Started) -> Started:
        """Have a trial whose first slot died before it could say so begin here."""
        job = replace(event.job, resume=event.job.resume and event.job.trial in self._begun)
        self._begun.add(job.trial)
        return replace(event, job=job)

    def _is_news(self, event: Logged) -> bool:
        """Whether a step was not told before, by a slot that has died since."""
        known = self._told.get(event.trial, -1)
        self._told[event.trial] = max(event.step, known)
        return event.step > known
