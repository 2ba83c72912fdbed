"""Follow a sweep's journal into MLflow, from a thread of its own.

The driver never makes an MLflow call: a slow or dead server delays the mirror and nothing else.
"""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tenacity import RetryCallState, Retrying, retry_if_not_exception_type, wait_exponential

from dpo_ray.config.redaction import redact_text
from dpo_ray.errors import ConfigError, CorruptJournal
from dpo_ray.tracking.journal import read_onwards
from dpo_ray.tracking.mlflow_runs import SweepRuns
from dpo_ray.tracking.mlflow_server import fail_fast_and_quietly, reachable
from dpo_ray.tracking.records import AnyRecord
from dpo_ray.tracking.state import SweepState

__all__ = ["MlflowMirror", "reachable"]

PART = 4_000_000
"""Bytes of the journal after which what was written counts as written: an outage costs no more of
the work than that, and a long journal no more memory."""
_REFUSED = {400, 404, 405, 409, 413, 422}
_log = logging.getLogger(__name__)


class MlflowMirror:
    """Everything a journal says, in MLflow; the server may come and go meanwhile.

    What the server refuses for good (a run somebody deleted) is skipped and listed in
    `problems`; anything else is tried again until it works or `close` runs out of time.
    """

    def __init__(self, journal: Path, uri: str, experiment: str, poll_s: float = 0.5) -> None:
        self.problems: list[str] = []
        self.calls = 0
        """Steps that were taken, the repeated ones as well."""
        self._journal, self._uri, self._experiment = journal, uri, experiment
        self._poll_s = poll_s
        self._state = SweepState()
        self._runs: SweepRuns | None = None
        self._offset = self._seen = self._written = 0
        self._waiting: list[AnyRecord] = []
        self._closing = threading.Event()
        self._deadline = float("inf")
        self._drained = False
        self._thread = threading.Thread(target=self._run, name="mlflow-mirror", daemon=True)

    @property
    def view(self) -> str | None:
        """The page that compares the sweep's trials, from `#` on, once it is there."""
        return self._runs.view if self._runs else None

    @property
    def progress(self) -> tuple[int, int]:
        """How many records have been written, of how many that were read."""
        return self._written, self._seen

    @property
    def parent_run_id(self) -> str | None:
        """The sweep's own run, once it is open."""
        return self._runs.parent if self._runs else None

    def start(self) -> None:
        """Begin to follow, unless it has begun; returns at once."""
        if self._thread.ident is None:
            fail_fast_and_quietly()
            self._thread.start()

    def close(self, timeout_s: float) -> bool:
        """Follow to the journal's end, then stop. Returns whether all of it is in MLflow."""
        self._deadline = time.monotonic() + timeout_s
        self.finish()
        self.wait(timeout_s)
        return self.complete

    def finish(self) -> None:
        """Stop at the journal's end, however long that takes; returns at once."""
        self._closing.set()

    def wait(self, seconds: float) -> bool:
        """Wait for its end, but not longer. Returns whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    @property
    def complete(self) -> bool:
        """Whether it has followed to the journal's end and everything was taken."""
        return self._drained and not self.problems

    def _run(self) -> None:
        retrying = Retrying(
            wait=wait_exponential(multiplier=0.5, max=30),
            sleep=self._pause,
            stop=lambda _: time.monotonic() > self._deadline,
            retry=retry_if_not_exception_type((CorruptJournal, ConfigError)),
            before_sleep=self._report_first_failure,
            reraise=True,
        )
        try:
            while not self._drained:
                closing = self._closing.is_set()  # asked first: the pass then sees all there is
                retrying(self._follow)
                self._drained = closing
                self._closing.wait(self._poll_s)
        except Exception as error:
            self.problems.append(_text(error))

    def _follow(self) -> None:
        """Write what the journal has gained; a failure leaves it waiting for the next attempt."""
        while self._waiting or self._read_part():
            self._runs = self._runs or SweepRuns(self._uri, self._experiment, self._state)
            self._write(self._runs)
            self._written += len(self._waiting)
            self._waiting = []

    def _read_part(self) -> bool:
        """Read on, but not all of a long journal at once; whether there was anything new."""
        if not self._journal.exists():
            return False
        self._waiting, self._offset = read_onwards(self._journal, self._offset, self._seen, PART)
        self._seen += len(self._waiting)
        for record in self._waiting:
            self._state.apply(record)
        return bool(self._waiting)

    def _write(self, runs: SweepRuns) -> None:
        runs.forget_waiting()
        for record in self._waiting:
            for call in runs.calls(record):
                self._unless_refused(call, f"{record.kind} ({record.seq})")
        for call in runs.flushes():
            self._unless_refused(call, "metrics")

    def _unless_refused(self, call: Callable[[], None], what: str) -> None:
        try:
            call()
            self.calls += 1
        except Exception as error:
            if _is_passing(error):
                raise
            self.problems.append(f"{what}: {_text(error)}")
            _log.warning("MLflow did not take %s", self.problems[-1])

    def _pause(self, seconds: float) -> None:
        """Sleep, but not through `close`."""
        if self._closing.is_set():
            time.sleep(min(seconds, 0.5))
        else:
            self._closing.wait(seconds)

    def _report_first_failure(self, attempt: RetryCallState) -> None:
        if attempt.attempt_number == 1 and attempt.outcome is not None:
            error = attempt.outcome.exception()
            shown = _text(error) if isinstance(error, Exception) else error
            _log.warning("MLflow cannot be written to now, the mirror goes on trying: %s", shown)


def _is_passing(error: Exception) -> bool:
    """Whether trying again may help: outages do pass, refusals and our own mistakes do not."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return False
    status = getattr(error, "get_http_status_code", lambda: None)()
    return isinstance(error, OSError) if status is None else status not in _REFUSED


def _text(error: Exception) -> str:
    return redact_text(f"{type(error).__name__}: {error}")
