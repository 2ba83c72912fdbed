"""What the person at the terminal sees while a sweep runs."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import IO, Self

from rich.console import Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from dpo_ray.output import console_of, say
from dpo_ray.tracking.console_lines import line
from dpo_ray.tracking.console_table import bar, progress_line, table
from dpo_ray.tracking.failures import Failures
from dpo_ray.tracking.records import (
    AnyRecord,
    ChampionCompared,
    Confirmed,
    DataChecked,
    Prepared,
    ReferenceEnded,
    ReferenceMetrics,
    SweepEnded,
    SweepPlanned,
    SweepResumed,
    TrialEnded,
)
from dpo_ray.tracking.sft_lines import sft_progress
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.wording import duration

_WIDE = 110
"""Columns from which there is room for a bar per trial, and reasons."""
_PROGRESS_S, _RARER = 10.0, 0.2
"""Without a terminal a stage says how far it is every ten seconds, of a long one after each fifth
of the time it has taken."""
_BAR = 20
_SHARE = 0.05
"""Of the time, at most so much goes into drawing: a picture of thousands of trials is dear."""
_AROUND = 7
"""Lines of a screen that are not trials: headings, reference, caption, progress, prompt."""
_log = logging.getLogger(__name__)


class SweepConsole:
    """A live table on a terminal, plain lines with the time anywhere else.

    `live=False` has plain lines on a terminal, too: whatever else prints would tear the table.
    `leaves` has the last table stay, for where no summary follows it on this screen.

    A listener for `Journal.subscribe`, and a context manager around the sweep. Nothing it does
    can raise into the sweep: a closed pipe or a strange terminal costs the picture only.
    """

    def __init__(
        self,
        plan_name: str,
        total_trials: int,
        stream: IO[str],
        clock: Callable[[], float] = time.time,
        live: bool = True,
        leaves: bool = False,
    ) -> None:
        self._name, self._total, self._clock = plan_name, total_trials, clock
        self._console = console_of(stream)
        self._state, self._failures = SweepState(), Failures()
        self._lock = threading.Lock()
        self._stage = ""
        self._share: float | None = None
        self._stage_began = self._progress_said = clock()
        self._turning = Spinner("dots", style="cyan")
        self._drawn: RenderableType = ""
        self._draw_again = 0.0
        self._live = self._make_live() if live else None
        self._leaves = leaves

    def __enter__(self) -> Self:
        if self._live:
            with suppress(Exception):
                self._live.start(refresh=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live:
            # The summary shows the table again, but only a sweep that ended has a summary.
            ended = kind is None and self._state.ended is not None
            self._live.transient = ended and not self._leaves
            self._draw_again = 0.0  # the last picture is one of the end
            with suppress(Exception):
                self._live.stop()

    def __call__(self, record: AnyRecord) -> None:
        """Take in the next record of the journal."""
        try:
            with self._lock:
                self._state.apply(record)
                text = line(self._state, record, self._total)
                below = self._below(record)
            if isinstance(record, ReferenceMetrics) and not self._is_due(record.time):
                return
            # Printed without the lock, which the refreshing thread takes inside rich's own.
            if text and (self._live is None or _stays(record)):
                self._print(text, record.time, below, block=isinstance(record, DataChecked))
        except Exception:
            _log.debug("the console could not show %s", record.kind, exc_info=True)

    def _below(self, record: AnyRecord) -> list[str]:
        """What a failure's line has below it: its cause, once."""
        if isinstance(record, TrialEnded) and record.state == "FAILED":
            return self._failures.lines(self._state.row(record.trial))
        return self._failures.sums() if isinstance(record, SweepEnded) else []

    def catch_up(self, records: Iterable[AnyRecord]) -> None:
        """Take in what an earlier process has journaled, without a word about each."""
        with self._lock:
            for record in records:
                self._state.apply(record)

    def stage(self, text: str) -> None:
        """Say what begins now: `Starting Ray ...`."""
        self._stage, self._share, self._stage_began = text, None, self._clock()
        with suppress(Exception):
            self._print(text, self._clock())

    def progress(self, text: str, share: float) -> None:
        """Say how far the stage is: as a bar, or as a line now and then."""
        self._stage, self._share, now = text, share, self._clock()
        if self._live is None and self._is_due(now):
            with suppress(Exception):
                self._print(text, now)

    def _is_due(self, now: float) -> bool:
        """Whether it is time again to say how far something is: the longer it takes, the rarer."""
        every = max(_PROGRESS_S, _RARER * (now - self._stage_began))
        due = now - self._progress_said >= every
        self._progress_said = now if due else self._progress_said
        return due

    def _print(
        self, text: str, when: float, below: Sequence[str] = (), block: bool = False
    ) -> None:
        stamp = datetime.fromtimestamp(when).strftime("%Y-%m-%d %H:%M:%S")
        shown = text if block else text.replace("\n", " ")
        shown += "".join(f"\n    {each}" for each in below)
        style = "dim" if self._live else None
        say(self._console, f"{stamp} {shown}", style)

    def _make_live(self) -> Live | None:
        if not self._console.is_terminal or self._console.is_dumb_terminal:
            return None
        return Live(console=self._console, get_renderable=self._render, refresh_per_second=4)

    def _render(self) -> RenderableType:
        try:
            with self._lock:
                began = time.monotonic()
                if began >= self._draw_again:
                    self._drawn = self._picture()
                    took = time.monotonic() - began
                    self._draw_again = began + took / _SHARE
                return self._drawn
        except Exception:
            _log.debug("the console could not draw", exc_info=True)
            return ""

    def _picture(self) -> RenderableType:
        now, (width, height) = self._clock(), self._console.size
        sft = self._state.sft
        if sft is not None and sft.status == "RUNNING":
            return self._spinner(f"{bar(sft.step, sft.total_steps)} {sft_progress(sft, now)}")
        if not self._state.trials:
            return self._spinner(self._so_far(now))
        wide = width >= _WIDE
        grid = table(self._state, max(height - _AROUND, 4), wide, now)
        return Group(grid, self._spinner(progress_line(self._state, self._total, now, wide)))

    def _so_far(self, now: float) -> str:
        """The stage with a bar where its end is known, else with the time since it began."""
        if self._share is not None:
            return f"{bar(self._share, 1.0, _BAR)} {self._share:4.0%} {self._stage}"
        gone = now - self._stage_began
        return f"{self._stage or self._name}{f', {duration(gone)}' if gone >= 1 else ''}"

    def _spinner(self, text: str) -> RenderableType:
        """It turns as long as this process lives, so a quiet sweep is not taken for a hung one."""
        shown = Text(text)
        shown.truncate(
            self._console.width - 2, overflow="ellipsis"
        )  # the spinner's own and a space
        self._turning.update(text=shown)
        return self._turning


def _stays(record: AnyRecord) -> bool:
    """Whether a line must outlive the table: what a person would scroll back for."""
    failed = isinstance(record, TrialEnded) and record.state in ("FAILED", "KILLED")
    return failed or isinstance(
        record,
        SweepPlanned
        | SweepResumed
        | DataChecked
        | ReferenceEnded
        | Prepared
        | Confirmed
        | ChampionCompared
        | SweepEnded,
    )
