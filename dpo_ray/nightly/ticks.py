"""When nights are due: the ticks of a crontab line in a time zone, each one once.

A tick is what the line means on the wall clock of its zone, and is known by its moment in UTC. An
hour that the clock leaves out is made up for right after it, and one that it repeats counts once,
the first time.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from dpo_ray.config.cron import cron_trigger
from dpo_ray.config.schedule import ScheduleConfig

LONGEST = timedelta(days=2)
"""No clock is turned by more, so ticks are in order when looked at from so much earlier."""


def ticks_after(schedule: ScheduleConfig, moment: datetime) -> Iterator[datetime]:
    """Yield the ticks after `moment` (aware), in UTC and in order; ends where the line does."""
    zone, trigger = ZoneInfo(schedule.timezone), cron_trigger(schedule.cron)
    wall = moment.astimezone(zone).replace(tzinfo=UTC) - LONGEST
    latest = moment.astimezone(UTC)
    while (due := trigger.get_next_fire_time(None, wall)) is not None:
        wall = due + timedelta(seconds=1)
        # fold 0: the first of two, and of a time that is left out the one before the gap, which
        # lies as far after it as it was into the gap.
        tick = due.replace(tzinfo=zone, fold=0).astimezone(UTC)
        if tick > latest:
            latest = tick
            yield tick


def ticks_between(schedule: ScheduleConfig, after: datetime, until: datetime) -> list[datetime]:
    """Return the ticks after the one moment up to the other, in UTC."""
    found = []
    for tick in ticks_after(schedule, after):
        if tick > until:
            break
        found.append(tick)
    return found


def written(tick: datetime) -> str:
    """Write a tick as a part of names: 20261126T013000Z without seconds where they are 0."""
    text = tick.astimezone(UTC).strftime("%Y%m%dT%H%M%S")
    return text.removesuffix("00") + "Z"


def read(text: str) -> datetime:
    """Read what `written` wrote."""
    digits = text.removesuffix("Z")
    form = "%Y%m%dT%H%M" if len(digits) == 13 else "%Y%m%dT%H%M%S"
    return datetime.strptime(digits, form).replace(tzinfo=UTC)
