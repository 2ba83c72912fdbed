"""From the slots' events to the journal, in a thread of its own."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

import ray

from dpo_ray.slots.events import Ended, Event, Logged, Started
from dpo_ray.tracking.journal import Journal
from dpo_ray.tracking.records import AnyRecord, TrainMetrics, TrialEnded, TrialStarted

WAIT_S = 1.0


class EventPump:
    """Follows every slot's events and appends them to the journal in each slot's own order.

    `on_ended` is called, in this thread, with each trial's end.
    """

    def __init__(
        self,
        slots: Mapping[str, Any],
        journal: Journal,
        on_ended: Callable[[Ended], None],
    ) -> None:
        self._slots = slots
        self._journal = journal
        self._on_ended = on_ended
        self._seen = dict.fromkeys(slots, 0)
        self._moved = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="event-pump", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def wait_for(self, slot: str, events: int, timeout_s: float) -> bool:
        """Return once the slot's first `events` events are in the journal."""
        with self._moved:
            return self._moved.wait_for(lambda: self._seen[slot] >= events, timeout_s)

    def stop(self) -> None:
        """Stop following; the slots must be idle, so that nothing is left behind."""
        self._stop.set()
        self._thread.join()

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
        fresh = [
            (name, ray.get(self._slots[name].events.remote(self._seen[name], 0.0)))
            for name in asked.values()
        ]
        for name, events in fresh:
            self._take(name, events)
        return True

    def _take(self, name: str, events: list[Event]) -> None:
        for event in events:
            self._journal.append(to_record(event), sync=not isinstance(event, Logged))
            if isinstance(event, Ended):
                self._on_ended(event)
        with self._moved:
            self._seen[name] += len(events)
            self._moved.notify_all()


def to_record(event: Event) -> AnyRecord:
    """Return the journal line of a slot's event."""
    match event:
        case Started(job=job, slot=slot, total_steps=total_steps):
            return TrialStarted(
                trial=job.trial,
                params=dict(job.params),
                origin=job.origin,
                slot=slot,
                folder=str(job.folder),
                total_steps=total_steps,
            )
        case Logged(trial=trial, step=step, metrics=metrics):
            return TrainMetrics(trial=trial, step=step, metrics=metrics)
        case Ended(trial=trial, outcome=outcome):
            return TrialEnded(
                trial=trial,
                state=outcome.state,
                reason=outcome.reason,
                step=outcome.step,
                seconds=outcome.seconds,
                adapter=outcome.adapter,
                timings=outcome.timings,
            )
