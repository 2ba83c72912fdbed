"""`dpo-ray report --nights SCHEDULE`: what its nights found, and what is served, as a page."""

from pathlib import Path
from typing import Any

from dpo_ray.config.naming import NAME
from dpo_ray.errors import ConfigError
from dpo_ray.nightly.found import Found, found
from dpo_ray.nightly.ledger import LEDGER, Ledger
from dpo_ray.nightly.opening import SCHEDULES
from dpo_ray.output import give_json, messages, results, say

TREND = "trend.html"


def write_trend(schedule: str, store: Path, out: Path | None, as_json: bool) -> Path:
    """Write the page of a schedule's nights, say what it shows, and return its path.

    Raises:
        ConfigError: there is no such schedule, or the page cannot be written.
    """
    folder = schedule_folder(store, schedule)
    nights = found(store, Ledger(folder).memory())
    path = out or folder / TREND
    from dpo_ray.nightly.trend import headline, trend_page
    from dpo_ray.report.page.writing import render, write_html

    try:
        write_html(render(trend_page(schedule, nights)), path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from None
    if as_json:
        give_json(_facts(schedule, nights, path, headline(nights)))
    else:
        say(messages(), headline(nights))
        say(results(), str(path.absolute()))
    return path


def schedule_folder(store: Path, name: str) -> Path:
    """Return the folder of a schedule's memory.

    Raises:
        ConfigError: the store has no schedule of this name.
    """
    home = store / SCHEDULES
    folder = home / name
    if NAME.fullmatch(name) and (folder / LEDGER).is_file():
        return folder
    known = sorted(each.parent.name for each in home.glob(f"*/{LEDGER}"))
    there = f"it has {', '.join(known)}" if known else "it has none"
    raise ConfigError(f"--nights {name}: {store} has no schedule of this name; {there}")


def _facts(schedule: str, nights: list[Found], path: Path, said: str) -> dict[str, Any]:
    return {
        "schedule": schedule,
        "report": path.absolute(),
        "verdict": said,
        "nights": [each.facts() for each in nights],
    }
