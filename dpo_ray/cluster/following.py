"""Following a submitted job until its end: its log on the screen, its state for the exit code."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from dpo_ray.cluster.jobs import Job, JobLost, JobsApi
from dpo_ray.errors import ClusterUnreachable

POLL_S = 1.0
LAST_LINES_S = 15.0
"""Ray passes a log on with seconds of delay."""
REMEMBERED = 20
BEGINS = "Running entrypoint for job "
"""Ray's last own line in a job's log."""


@dataclass(frozen=True)
class Patience:
    """How long to follow, in seconds.

    Attributes:
        silent_s: without an answer of the Jobs API.
        whole_s: in all; None: as long as it takes.
    """

    silent_s: float
    whole_s: float | None = None


class LogLines:
    """A job's log, line by line: results, which carry `mark`, apart from messages.

    What Ray says before the command begins is shown only where it never does.
    """

    def __init__(
        self, mark: str, results: Callable[[str], None], messages: Callable[[str], None]
    ) -> None:
        self._mark, self._results, self._messages = mark, results, messages
        self._rest = ""
        self._before: list[str] | None = []
        self.last: deque[str] = deque(maxlen=REMEMBERED)

    def feed(self, text: str) -> None:
        """Take the next piece of the log."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._take(line)

    def close(self) -> None:
        """The log is over: show what is left of it."""
        if self._rest:
            self._take(self._rest)
        for line in self._before or []:
            self._messages(line)

    def _take(self, line: str) -> None:
        self.last.append(line)
        if self._before is not None:
            self._before = None if line.startswith(BEGINS) else [*self._before, line]
        elif line.startswith(self._mark):
            self._results(line.removeprefix(self._mark))
        else:
            self._messages(line)


def follow(
    api: JobsApi,
    job_id: str,
    lines: LogLines,
    patience: Patience,
    clock: Callable[[], float] = time.monotonic,
) -> Job:
    """Show the job's log until its end, and return how it ended.

    Raises:
        ClusterUnreachable: the API was silent, or says RUNNING, beyond the patience.
        JobLost: the cluster has forgotten the job, as a head that was started anew has.
    """
    tail = _Tail(api, job_id)
    tail.start()
    began = heard = clock()
    while True:
        tail.drain(lines, POLL_S)
        try:
            job = api.job(job_id)
            heard = clock()
        except JobLost:
            raise
        except ClusterUnreachable as error:
            if clock() - heard > patience.silent_s:
                raise _silent(job_id, patience, error) from error
            continue
        if job.has_ended:
            tail.finish(lines)
            return job
        if patience.whole_s is not None and clock() - began > patience.whole_s:
            raise ClusterUnreachable(
                f"{job_id} is said to be {job.status} {_minutes(patience.whole_s)} after it was "
                "submitted, and its budget, the grace and cluster.margin_minutes were over before"
            )


def _silent(job_id: str, patience: Patience, error: ClusterUnreachable) -> ClusterUnreachable:
    return ClusterUnreachable(
        f"no word of {job_id} for {_minutes(patience.silent_s)} (cluster.silent_minutes): {error}"
    )


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.3g} minutes"


class _Tail(threading.Thread):
    """Reads the log as it grows, in a thread: a head that is gone may leave it waiting for ever."""

    def __init__(self, api: JobsApi, job_id: str) -> None:
        super().__init__(name="job-log", daemon=True)
        self._api, self._job_id = api, job_id
        self._pieces: SimpleQueue[str] = SimpleQueue()
        self._seen = 0
        self._ended = threading.Event()

    def run(self) -> None:
        while True:
            with suppress(Exception):  # a broken line is joined again, from where it broke
                asyncio.run(self._read())
            if self._ended.wait(POLL_S):
                return

    async def _read(self) -> None:
        place = 0
        async for piece in self._api.log(self._job_id):
            fresh = piece[max(0, self._seen - place) :]
            place += len(piece)
            self._seen = max(self._seen, place)
            if fresh:
                self._pieces.put(fresh)

    def drain(self, lines: LogLines, seconds: float) -> None:
        """Show what comes within `seconds`, and return with the first pause after it."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                lines.feed(self._pieces.get(timeout=max(0.0, deadline - time.monotonic())))
            except Empty:
                return

    def finish(self, lines: LogLines) -> None:
        """The job has ended: show the rest of its log."""
        self._ended.set()
        self.join(LAST_LINES_S)
        self.drain(lines, 0.0)
        lines.close()
