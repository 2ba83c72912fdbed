"""What an earlier run under the same name has left, and whether the same question goes on."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from dpo_ray.config.redaction import HIDDEN
from dpo_ray.errors import ChangedSweep, ConfigError
from dpo_ray.plan import Plan
from dpo_ray.tracking.journal import read_journal
from dpo_ray.tracking.records import AnyRecord
from dpo_ray.tracking.state import SweepState, fold

JOURNAL = "journal.jsonl"
OVERVIEW = "sweep.png"
"""The picture of a sweep as a whole, in its folder."""
REPORT = "report.html"
"""The page about it, beside the picture."""
QUESTION = ("space", "control", "sweep")
"""Sections of a plan that say what is asked."""
MAY_CHANGE = {
    "sweep.alerts",
    "sweep.budget",
    "sweep.champion",
    "sweep.cluster",
    "sweep.schedule",
    "sweep.space",
    "sweep.tracking",
    "sweep.resources.cpus_per_worker",
    "sweep.resources.gpus_per_worker",
    "sweep.resources.custom",
    "sweep.search.trials",
    "sweep.search.concurrent",
    "sweep.search.full_trials",
}
"""Keys that change what a sweep costs and how far it goes, not what its trials are."""


def earlier_records(folder: Path) -> list[AnyRecord]:
    """Return the journal of the sweep in `folder`; empty where a new one may begin.

    The caller holds the sweep's lock, so whoever wrote the journal is gone. A run that ended
    before its first trial has nothing to lose: its journal is set aside.

    Raises:
        CorruptJournal: damage before the last line.
    """
    path = folder / JOURNAL
    if not path.exists():
        return []
    records = read_journal(path)
    if fold(records).trials:
        return records
    path.rename(folder / f"journal-{datetime.now():%Y%m%dT%H%M%S%f}.jsonl")
    return []


def trials_asked(plan: Plan, wish: str | None) -> int:
    """Return how many trials the sweep is to have, by --trials, its files, or an earlier run.

    What was once asked for stays: the plain command goes on with a sweep that was extended.

    Raises:
        ConfigError: the wish is no number, or adds to a sweep that is not finished.
    """
    own = plan.sweep.search.trials
    if wish is not None and not re.fullmatch(r"\+?[1-9]\d*", wish):
        raise ConfigError(f"--trials: must be a number, or + and a number, got {wish}")
    path = plan.folder / JOURNAL
    past = fold(read_journal(path)) if path.exists() else SweepState()
    before = past.trials_asked if past.trials else None
    if wish is None:
        return max(own, before or 0)
    if not wish.startswith("+"):
        return int(wish)
    if before is None or not is_finished(past, before, past.confirms):
        state = "has not begun" if before is None else "is not finished"
        raise ConfigError(
            f"--trials {wish}: adds to a finished sweep, and {plan.name} {state}; "
            "run it without --trials first, or say how many trials it is to have in all"
        )
    return before + int(wish)


def is_finished(state: SweepState, trials: int, confirms: bool) -> bool:
    """Whether nothing is left to do of a plan of so many trials, confirmed or not."""
    over = sum(row.status in ("COMPLETED", "STOPPED", "FAILED") for row in state.trials.values())
    confirmed = not confirms or _verdict_is_newer(state)
    none_to_confirm = over >= trials and not state.with_status("COMPLETED")
    ended = state.ended is not None
    return ended and over >= trials and (confirmed or none_to_confirm)


def refuse_changes(state: SweepState, plan: Mapping[str, Any]) -> None:
    """Refuse to go on with another question under the same name.

    Raises:
        ChangedSweep: the text lists each key with its value then and now.
    """
    before = state.plan.plan if state.plan else {}
    free = MAY_CHANGE if state.confirmation else MAY_CHANGE | {"sweep.confirm"}
    found = [each for key in QUESTION for each in _changes(key, before, plan, free)]
    if found:
        raise ChangedSweep(_refusal(str(plan.get("name", "")), found))


def refuse_other_content(name: str, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Refuse to go on with other rows or another model than the sweep's trials had.

    `before` and `now` are hashes by what they are of; what only one of them has is not compared.

    Raises:
        ChangedSweep: the text lists each hash that differs.
    """
    both = [key for key in before if key in now and before[key] != now[key]]
    if both:
        found = [f"{key}: {before[key]}, now {now[key]}" for key in both]
        raise ChangedSweep(_refusal(name, found))


def _verdict_is_newer(state: SweepState) -> bool:
    """Whether every trial of the search had ended when the verdict was given."""
    ends = [row.ended or 0.0 for row in state.trials.values()]
    return state.verdict is not None and state.verdict.time >= max(ends, default=0.0)


def _refusal(name: str, found: list[str]) -> str:
    lines = "\n".join(f"  {each}" for each in found)
    return (
        f"the sweep {name} asked something else before, and results of both would be mixed:\n"
        f"{lines}\nchoose another --name, or take the change back; the prepared data is reused "
        "either way"
    )


def _changes(
    path: str, before: Mapping[str, Any], now: Mapping[str, Any], free: set[str]
) -> Iterator[str]:
    """Yield `path: then, now so` for what differs; a key that one side does not know is new."""
    key = path.rpartition(".")[2]
    if path in free or key not in before or key not in now or before[key] == now[key]:
        return
    one, two = before[key], now[key]
    if HIDDEN in (one, two):
        return  # what was written before is not known
    if isinstance(one, Mapping) and isinstance(two, Mapping):
        for name in sorted({*one, *two}):
            yield from _changes(f"{path}.{name}", one, two, free)
        for name in sorted(set(one) ^ set(two)) if path.startswith("space") else []:
            yield f"{path}.{name}: {one.get(name, 'nothing')}, now {two.get(name, 'nothing')}"
    else:
        yield f"{path}: {one}, now {two}"
