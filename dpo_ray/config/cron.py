"""A crontab line's five fields, as vixie cron reads them, on APScheduler's trigger."""

import re
from datetime import UTC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger

DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""By cron's numbers, 0 to 7; APScheduler 3 counts from Monday."""
_DAY = rf"(?:[0-7]|{'|'.join(sorted(set(DAYS)))})"
_DAYS = re.compile(rf"(\*|{_DAY}(?:-{_DAY})?)(?:/([1-7]))?", re.IGNORECASE)
FIELDS = ("minute", "hour", "day", "month", "day_of_week")


def cron_trigger(text: str) -> "CronTrigger":
    """Return the trigger of five fields, over wall-clock times that are written as UTC.

    Raises:
        ValueError: the text is no such line; its own text says the rule.
    """
    from apscheduler.triggers.cron import CronTrigger  # of use to nightly sweeps alone

    parts = text.split()
    if len(parts) != len(FIELDS):
        raise ValueError(
            f"must have five fields (minute hour day month weekday), got {len(parts)} in {text!r}"
        )
    fields = dict(zip(FIELDS, parts, strict=True))
    # cron runs on either where both are given, APScheduler where both hold: neither is guessed.
    if fields["day"] != "*" and fields["day_of_week"] != "*":
        raise ValueError(f"must leave day or weekday *, got {text!r}")
    fields["day_of_week"] = _weekdays(fields["day_of_week"])
    try:
        trigger = CronTrigger(**fields, timezone=UTC)
    except ValueError as error:
        raise ValueError(f"must be a crontab line, got {text!r}: {error}") from error
    return trigger


def _weekdays(text: str) -> str:
    """Write cron's weekdays by name: 0 and 7 are Sunday, and 5-7 goes on into it."""
    if text == "*":
        return text
    return ",".join(dict.fromkeys(day for part in text.split(",") for day in _span(part)))


def _span(part: str) -> list[str]:
    match = _DAYS.fullmatch(part)
    if match is None:
        raise ValueError(f"weekday must be 0 to 7 or sun to sat, a range or a list, got {part!r}")
    days, step = match.groups()
    first, _, last = ("0-6" if days == "*" else days).partition("-")
    start, end = _number(first), _number(last or first)
    if last and end < start:
        end += 7  # fri-mon
    return [DAYS[day % 7] for day in range(start, end + 1, int(step or 1))]


def _number(day: str) -> int:
    return int(day) if day.isdecimal() else DAYS.index(day.lower())
