"""A schedule's nights for people: in a table, and in a few lines."""

from collections.abc import Sequence
from datetime import datetime

from rich import box
from rich.table import Table

from dpo_ray.nightly.found import Found, state_of
from dpo_ray.nightly.ledger import Night
from dpo_ray.nightly.opening import Schedule
from dpo_ray.tracking.wording import configuration, duration, short, with_interval

LAST = 3


def history_table(nights: Sequence[Found]) -> Table:
    """Return a row for each night: when, how it ended, what it found, what it cost."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    metric = next((each.metric for each in nights if each.metric), "score")
    for heading in ("night (UTC)", "state", f"{metric.replace('_', ' ')} [95 %]"):
        table.add_column(heading, no_wrap=True)
    table.add_column("recommended", overflow="fold")
    for heading in ("trials", "time"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("champion", overflow="fold")
    table.add_column("", overflow="fold")
    for each in nights:
        table.add_row(*_cells(each))
    return table


def _cells(each: Found) -> list[str]:
    night, state = each.night, state_of(each.night)
    known = each.params is not None
    word = f"{state} ({night.exit_code})" if night.exit_code else state
    mark = "confirmed" if each.confirmed else night.reason if state != "done" else ""
    return [
        f"{night.tick:%Y-%m-%d %H:%M}",
        word,
        with_interval(each.score or {}, each.metric) if known else "",
        short(each.params) if each.params else "",
        str(each.trials) if each.trials else "",
        duration(each.seconds) if each.seconds else "",
        standing(each),
        mark,
    ]


def standing(each: Found) -> str:
    """Say in a word or two what a night has done to the champion."""
    compared = each.champion
    if compared is None:
        return ""
    if compared.promoted:
        return "new"
    if compared.version is None:
        return "none yet"
    return f"regression from version {compared.version}" if compared.regressed else "stays"


def status_lines(
    schedule: Schedule, nights: Sequence[Found], tick: datetime | None, running: bool
) -> list[str]:
    """Say when the next night is (`tick`), whether one runs, and how the last ones ended."""
    timing = schedule.timing
    when = "never again" if tick is None else f"{tick:%Y-%m-%d %H:%M} UTC"
    first = [
        f"{schedule.name}: cron {timing.cron!r} in {timing.timezone}; next night {when}",
        "A night runs now." if running else "No night runs now.",
    ]
    if not nights:
        return [*first, "It has run nothing yet."]
    return [*first, *(_line(each) for each in nights[-LAST:])]


def _line(each: Found) -> str:
    night, state = each.night, state_of(each.night)
    begun = f"{night.tick:%Y-%m-%d %H:%M} UTC: {state}"
    if state == "done" and each.params is not None:
        score = with_interval(each.score or {}, each.metric)
        return f"{begun}, {configuration(each.params)}: {each.metric} {score}"
    return f"{begun}, {night.reason}" if night.reason else begun


def ended(night: Night) -> str:
    """Say how a night ended."""
    if night.exit_code is None:
        return f"{night.sweep} was interrupted; it goes on when the scheduler looks again"
    return f"{night.sweep} ended with exit code {night.exit_code}: {night.reason}"
