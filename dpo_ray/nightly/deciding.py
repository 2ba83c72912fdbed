"""Which night runs now, and which never will: a decision over what a schedule remembers."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dpo_ray.config.schedule import ScheduleConfig
from dpo_ray.nightly.ledger import Memory
from dpo_ray.nightly.ticks import ticks_after, ticks_between, written

ON_TIME = timedelta(minutes=5)
"""How late a scheduler that watches the clock may see a tick."""
CALLED_BY_OTHERS = timedelta(hours=1)
"""How late another scheduler's call may be: it may have brought up a cluster first."""


@dataclass(frozen=True)
class Decision:
    """What to do now.

    Attributes:
        run: the tick whose night begins or goes on; None for nothing.
        dropped: ticks that will run nothing, each with the reason.
    """

    run: datetime | None
    dropped: tuple[tuple[datetime, str], ...] = ()


def decide(
    schedule: ScheduleConfig, memory: Memory, now: datetime, on_time: timedelta = ON_TIME
) -> Decision:
    """Return what is due at `now` (aware); nobody runs a night of this schedule.

    At most one night runs, the latest; earlier ones that were missed are dropped. A night that
    began and did not end goes on until a later one is due, which takes its place. A tick that is
    seen no later than `on_time` was not missed.
    """
    due = ticks_between(schedule, _known(memory, now), now)
    interrupted = [night.tick for night in memory.nights.values() if night.is_open]
    going_on = max(interrupted, default=None)
    if not due:
        return Decision(going_on)
    last, missed = due[-1], due[:-1]
    dropped = [(tick, "missed while no scheduler ran; a later one is due") for tick in missed]
    late = now - last
    if late > on_time and schedule.catch_up == "none":
        dropped.append((last, f"missed by {_in_words(late)}, and schedule.catch_up is none"))
        return Decision(going_on, tuple(dropped))
    dropped += [(tick, "interrupted, and a later one is due") for tick in interrupted]
    return Decision(last, tuple(dropped))


def overlapped(
    schedule: ScheduleConfig, memory: Memory, now: datetime, running: datetime
) -> tuple[tuple[datetime, str], ...]:
    """Return the ticks that came while the night of `running` was at work: none of them runs."""
    due = ticks_between(schedule, _known(memory, now), now)
    return tuple((tick, f"the night of {written(running)} was still running") for tick in due)


def upcoming(schedule: ScheduleConfig, memory: Memory, now: datetime) -> datetime | None:
    """Return the next tick that was not dealt with; None where the line has no further one."""
    later = ticks_after(schedule, now)
    return next((tick for tick in later if tick not in memory.nights), None)


def _known(memory: Memory, now: datetime) -> datetime:
    """Return the moment up to which every tick was dealt with; a clock set back changes nothing."""
    since = now if memory.since is None else datetime.fromtimestamp(memory.since, UTC)
    return max(since, memory.latest or since)


def _in_words(late: timedelta) -> str:
    minutes = round(late.total_seconds() / 60)
    return f"{minutes} minutes" if minutes < 120 else f"{minutes / 60:.0f} hours"
