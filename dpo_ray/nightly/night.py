"""One night: its name, its seed, whom it learns from, and the command that it is."""

import sys
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256

from dpo_ray.errors import CorruptJournal
from dpo_ray.nightly.ledger import Memory
from dpo_ray.nightly.opening import Schedule
from dpo_ray.nightly.ticks import written
from dpo_ray.tracking.earlier import JOURNAL
from dpo_ray.tracking.journal import read_journal
from dpo_ray.tracking.state import SweepState, fold

TAUGHT_BY = 7
"""So many nights teach a new one: older ones have said what they knew to those between."""


def sweep_name(schedule: Schedule, tick: datetime) -> str:
    """Return the name of a night's sweep: `nightly-20261126T0230Z`."""
    return f"{schedule.name}-{written(tick)}"


def seed_of(schedule: Schedule, tick: datetime) -> int:
    """Return a night's own seed, 32 bits: no night draws what another drew."""
    text = f"{schedule.plan.sweep.search.seed}/{written(tick)}"
    return int.from_bytes(sha256(text.encode()).digest()[:4])


def command(schedule: Schedule, tick: datetime, teachers: list[str]) -> list[str]:
    """Return the night as the documented command; the same again goes on with it."""
    search = [f"search.seed={seed_of(schedule, tick)}"]
    if teachers:
        search += [
            f"search.warm_start=[{', '.join(teachers)}]",
            f"search.warm_configs={schedule.timing.warm_configs}",
        ]
    settings = [part for each in (*schedule.overrides, *search) for part in ("--set", each)]
    return [
        *(sys.executable, "-m", "dpo_ray.sweep", str(schedule.space_path)),
        *("--sweep", str(schedule.sweep_path), "--store", str(schedule.store)),
        *("--name", sweep_name(schedule, tick), *settings),
    ]


def afterwards(schedule: Schedule) -> list[list[str]]:
    """Return the commands that follow a night: the page of all nights, and what may go."""
    store = ["--store", str(schedule.store)]
    found = [[sys.executable, "-m", "dpo_ray.cli", "report", "--nights", schedule.name, *store]]
    if schedule.timing.keep is not None:
        settings = [part for each in schedule.overrides for part in ("--set", each)]
        own = [str(schedule.sweep_path), "prune", "--name", schedule.name, *settings]
        found.append([sys.executable, "-m", "dpo_ray.schedule", *own, *store])
    return found


def teachers_of(schedule: Schedule, memory: Memory, tick: datetime) -> list[str]:
    """Return the sweeps of earlier nights that can teach the one of `tick`, the newest first."""
    if not schedule.timing.warm_configs:
        return []
    found = []
    for night, state in earlier_nights(schedule, memory, tick):
        if set(state.parameters) == set(schedule.plan.space.parameters):
            found.append(night)
        if len(found) == TAUGHT_BY:
            break
    return found


def earlier_nights(
    schedule: Schedule, memory: Memory, tick: datetime
) -> Iterator[tuple[str, SweepState]]:
    """Yield earlier nights' sweeps that completed a trial, the newest first."""
    for night in sorted(memory.nights.values(), key=lambda each: each.tick, reverse=True):
        path = schedule.store / "sweeps" / night.sweep / JOURNAL
        if night.tick >= tick or not night.sweep or not path.is_file():
            continue
        try:
            state = fold(read_journal(path))
        except CorruptJournal:
            continue  # it teaches nothing, and tonight can do without
        if state.with_status("COMPLETED"):
            yield night.sweep, state
