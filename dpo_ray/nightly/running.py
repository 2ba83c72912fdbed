"""Running what is due: one night at a time, told in the ledger from its beginning to its end."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dpo_ray.cluster.lock import is_locked, sweep_lock
from dpo_ray.errors import SweepLocked
from dpo_ray.nightly.alerts import tell
from dpo_ray.nightly.deciding import CALLED_BY_OTHERS, ON_TIME, Decision, decide, overlapped
from dpo_ray.nightly.found import found_in, reason_of
from dpo_ray.nightly.ledger import (
    Ledger,
    Memory,
    Night,
    NightBegan,
    NightEnded,
    TickDropped,
    Watched,
)
from dpo_ray.nightly.night import afterwards, command, sweep_name, teachers_of
from dpo_ray.nightly.opening import Schedule
from dpo_ray.nightly.ticks import written

INTERRUPTED = 130


@contextmanager
def schedule_lock(schedule: Schedule) -> Iterator[Ledger]:
    """Hold a schedule's lock for the block's length: one night of it runs at a time.

    Raises:
        SweepLocked: a live process holds it. A dead one's lock is free at once.
    """
    with ExitStack() as held:
        try:
            held.enter_context(sweep_lock(schedule.folder))
        except SweepLocked as error:
            raise SweepLocked(
                f"a live process runs a night of {schedule.name} "
                f"(lock: {schedule.folder / 'lock'}); wait for its end"
            ) from error
        yield Ledger(schedule.folder)


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

    def look(self, now: datetime, called: bool = False) -> Night | None:
        """Run what is due at `now`, drop what was missed; return the night that has ended.

        `called`: another scheduler watches the clock and has called for a tick. Ticks then count
        from so long before the first call as that may have been late.

        Raises:
            SweepLocked: a night runs already.
        """
        late = CALLED_BY_OTHERS if called else ON_TIME
        with schedule_lock(self.schedule) as ledger:
            if called and ledger.memory().since is None:
                ledger.append(Watched(pid=os.getpid(), since=now - late))
            memory = ledger.memory()
            alive = self._outlived(memory)
            if alive is None:
                return self._carry_out(decide(self.schedule.timing, memory, now, late), ledger)
            self._drop_what_came_meanwhile(ledger, now, alive)
            return None

    def run(self, tick: datetime) -> Night | None:
        """Run the night of `tick`, due or not; None where it has ended before.

        Raises:
            SweepLocked: a night runs already.
        """
        with schedule_lock(self.schedule) as ledger:
            before = ledger.memory().nights.get(tick)
            if before is not None and not before.is_open and not before.dropped:
                return None
            alive = self._outlived(ledger.memory())
            if alive is not None:
                raise SweepLocked(f"{alive.sweep} still runs; wait for its end")
            return self._carry_out(Decision(tick), ledger)

    @property
    def is_running(self) -> bool:
        """Whether a night's command is at work."""
        return self.child is not None and self.child.poll() is None

    def stop(self) -> None:
        """Ask the running night to end, and start no other; twice ends it at once."""
        if self.child is not None and self.is_running:
            self.child.send_signal(signal.SIGINT)
        self.stopping = True

    def _carry_out(self, decision: Decision, ledger: Ledger) -> Night | None:
        for tick, reason in decision.dropped:
            ledger.append(TickDropped(tick=tick, reason=reason))
        if decision.run is None or self.stopping:
            return None
        night = self._begin(decision.run, ledger)
        code = self._speaking(night, night.command)
        self._drop_what_came_meanwhile(ledger, datetime.now(UTC), night)
        # An interrupted night stays open: whoever looks next goes on with it.
        if code != INTERRUPTED:
            reason = reason_of(self.schedule.store, night, code)
            ledger.append(NightEnded(tick=night.tick, exit_code=code, reason=reason))
            self._tell(ledger.memory().nights[night.tick])
            self._afterwards(night)
        return ledger.memory().nights[night.tick]

    def _outlived(self, memory: Memory) -> Night | None:
        """Return the night that has outlived the scheduler which had begun it, if one has."""
        sweeps = self.schedule.store / "sweeps"
        nights = (night for night in memory.nights.values() if night.is_open)
        return next((night for night in nights if is_locked(sweeps / night.sweep)), None)

    def _drop_what_came_meanwhile(self, ledger: Ledger, now: datetime, running: Night) -> None:
        timing = self.schedule.timing
        for tick, reason in overlapped(timing, ledger.memory(), now, running.tick):
            ledger.append(TickDropped(tick=tick, reason=reason))

    def _tell(self, night: Night) -> None:
        alerts = self.schedule.plan.sweep.alerts
        for problem in tell(alerts, found_in(self.schedule.store, night), os.environ):
            self.say(problem)

    def _afterwards(self, night: Night) -> None:
        """Write the trend page and tidy up, in processes of their own: both import a lot."""
        for what in afterwards(self.schedule):
            code = self._speaking(night, what)
            if code and not self.stopping:
                self.say(f"{' '.join(what)} ended with exit code {code}")

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

    def _speaking(self, night: Night, command: list[str]) -> int:
        """Run a command that speaks where the night does, to its end."""
        if not self.log:
            return self._wait(command)
        path = self.log_of(night.tick)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as stream:
            return self._wait(command, stdout=stream, stderr=stream)

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
