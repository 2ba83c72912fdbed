"""Running what is due: one night at a time, told in the ledger from its beginning to its end."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dpo_ray.cluster.lock import is_locked, sweep_lock
from dpo_ray.errors import CorruptJournal, SweepLocked
from dpo_ray.nightly.alerts import tell
from dpo_ray.nightly.deciding import ON_TIME, Decision, decide, overlapped
from dpo_ray.nightly.found import found_in
from dpo_ray.nightly.ledger import (
    Ledger,
    Night,
    NightBegan,
    NightEnded,
    TickDropped,
    Watched,
)
from dpo_ray.nightly.night import command, sweep_name, teachers_of
from dpo_ray.nightly.opening import Schedule
from dpo_ray.nightly.ticks import written
from dpo_ray.tracking.earlier import JOURNAL
from dpo_ray.tracking.journal import read_journal
from dpo_ray.tracking.state import fold

INTERRUPTED = 130


@contextmanager
def schedule_lock(schedule: Schedule) -> Iterator[Ledger]:
    """Hold a schedule's lock for the block's length: one night of it runs at a time.

    Raises:
        SweepLocked: a live process holds it. A dead one's lock is free at once.
    """
    try:
        with sweep_lock(schedule.folder):
            yield Ledger(schedule.folder)
    except SweepLocked as error:
        raise SweepLocked(
            f"a live process runs a night of {schedule.name} (lock: {schedule.folder / 'lock'}); "
            "wait for its end"
        ) from error


@dataclass
class Runner:
    """Runs the nights of one schedule, and passes a signal on to the one that runs.

    Attributes:
        log: whether what a night's command says goes to a file, or to this screen.
        say: takes what people should know.
    """

    schedule: Schedule
    log: bool = False
    say: Callable[[str], None] = lambda text: None
    child: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    stopping: bool = False

    def watch(self) -> None:
        """Note that a scheduler watches: from the first time on, ticks count."""
        Ledger(self.schedule.folder).append(Watched(pid=os.getpid()))

    def look(self, now: datetime, first: bool = False) -> Night | None:
        """Run what is due at `now`, drop what was missed; return the night that has ended.

        With `first` the caller watches no clock: ticks count from a little before its first look.

        Raises:
            SweepLocked: a night runs already.
        """
        with schedule_lock(self.schedule) as ledger:
            if first and ledger.memory().since is None:
                ledger.append(Watched(pid=os.getpid(), since=now - ON_TIME))
            decision = decide(self.schedule.timing, ledger.memory(), now)
            return self._carry_out(decision, ledger)

    def run(self, tick: datetime) -> Night | None:
        """Run the night of `tick`, due or not; None where it has ended before.

        Raises:
            SweepLocked: a night runs already.
        """
        with schedule_lock(self.schedule) as ledger:
            before = ledger.memory().nights.get(tick)
            if before is not None and not before.is_open and not before.dropped:
                return None
            return self._carry_out(Decision(tick), ledger)

    def stop(self) -> None:
        """Ask the running night to end, and start no other; twice ends it at once."""
        if self.child is not None and self.child.poll() is None:
            self.child.send_signal(signal.SIGINT)
        self.stopping = True

    def _carry_out(self, decision: Decision, ledger: Ledger) -> Night | None:
        for tick, reason in decision.dropped:
            ledger.append(TickDropped(tick=tick, reason=reason))
        if decision.run is None or self.stopping:
            return None
        if is_locked(self.schedule.store / "sweeps" / sweep_name(self.schedule, decision.run)):
            return None  # it outlived the scheduler that had begun it; its end is seen later
        night = self._begin(decision.run, ledger)
        code = self._follow(night)
        for tick, reason in overlapped(
            self.schedule.timing, ledger.memory(), datetime.now(UTC), night.tick
        ):
            ledger.append(TickDropped(tick=tick, reason=reason))
        # An interrupted night stays open: whoever looks next goes on with it.
        if code != INTERRUPTED:
            reason = _reason(self.schedule, night, code)
            ledger.append(NightEnded(tick=night.tick, exit_code=code, reason=reason))
            self._tell(ledger.memory().nights[night.tick])
        return ledger.memory().nights[night.tick]

    def _tell(self, night: Night) -> None:
        alerts = self.schedule.plan.sweep.alerts
        for problem in tell(alerts, found_in(self.schedule.store, night), os.environ):
            self.say(problem)

    def _begin(self, tick: datetime, ledger: Ledger) -> Night:
        memory = ledger.memory()
        before = memory.nights.get(tick)
        if before is None or not before.command:
            whole = command(self.schedule, tick, teachers_of(self.schedule, memory, tick))
        else:
            whole = before.command
        name = sweep_name(self.schedule, tick)
        ledger.append(NightBegan(tick=tick, sweep=name, command=whole))
        return ledger.memory().nights[tick]

    def _follow(self, night: Night) -> int:
        if not self.log:
            return self._wait(night.command)
        path = self.log_of(night.tick)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as stream:
            return self._wait(night.command, stdout=stream, stderr=stream)

    def _wait(self, command: list[str], **streams: Any) -> int:
        # In a session of its own: a terminal's Ctrl-C would reach it beside the one that is passed
        # on, and two of them end a sweep at once.
        self.child = subprocess.Popen(command, start_new_session=True, **streams)
        if self.stopping:
            self.stop()
        code = self.child.wait()
        return 128 - code if code < 0 else code

    def log_of(self, tick: datetime) -> Path:
        """Return where a night's command speaks, if not on the screen."""
        return self.schedule.folder / "logs" / f"{written(tick)}.log"


def _reason(schedule: Schedule, night: Night, code: int) -> str:
    """Say why a night ended, in its journal's words where it has come to that."""
    path = schedule.store / "sweeps" / night.sweep / JOURNAL
    try:
        ended = fold(read_journal(path)).ended if path.is_file() else None
    except CorruptJournal as error:
        return str(error)
    return ended.reason if ended is not None else f"its command ended with exit code {code}"
