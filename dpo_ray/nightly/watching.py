"""A small scheduler in the foreground: it looks at the clock every minute and runs what is due."""

import logging
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from types import FrameType

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.blocking import BlockingScheduler
from apscheduler.triggers.cron import CronTrigger

from dpo_ray.errors import DpoRayError
from dpo_ray.nightly.deciding import upcoming
from dpo_ray.nightly.ledger import Ledger
from dpo_ray.nightly.running import Runner
from dpo_ray.nightly.table import ended
from dpo_ray.nightly.ticks import written


def watch(runner: Runner, say: Callable[[str], None]) -> None:
    """Run every night of a schedule until a signal comes; a running one is ended in order first.

    Which tick is due is decided anew each minute by the wall clock and the ledger, so a machine
    that slept, or a clock that was set, is nothing special.
    """
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    scheduler = BlockingScheduler(
        timezone=UTC, executors={"default": ThreadPoolExecutor(max_workers=1)}
    )
    scheduler.add_job(
        lambda: _look(runner, say),
        CronTrigger(second=0, timezone=UTC),
        next_run_time=datetime.now(UTC),
        coalesce=True,
        max_instances=1,
        misfire_grace_time=None,
    )

    def stop(signum: int, _: FrameType | None) -> None:
        goes_on = "; the night that runs goes on at the next start" if runner.is_running else ""
        say(f"{signal.Signals(signum).name}: ending{goes_on}")
        runner.stop()
        if scheduler.running:
            scheduler.shutdown(wait=False)  # the interpreter waits for the night's own thread

    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, stop)
    runner.watch()
    say(_next(runner))
    scheduler.start()


def _look(runner: Runner, say: Callable[[str], None]) -> None:
    before = Ledger(runner.schedule.folder).memory()
    try:
        night = runner.look(datetime.now(UTC))
    except DpoRayError as error:
        say(str(error))
        return
    after = Ledger(runner.schedule.folder).memory()
    for tick, each in after.nights.items():
        known = before.nights.get(tick)
        if each.dropped and (known is None or not known.dropped):
            say(f"dropped {written(tick)}: {each.reason}")
    if night is not None:
        say(ended(night))
        say(_next(runner))


def _next(runner: Runner) -> str:
    own = runner.schedule
    tick = upcoming(own.timing, Ledger(own.folder).memory(), datetime.now(UTC))
    when = "never" if tick is None else f"{tick:%Y-%m-%d %H:%M} UTC"
    return f"{own.name}: next night {when}"
