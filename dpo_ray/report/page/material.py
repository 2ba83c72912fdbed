"""What every room of the page reads: the fold over a journal, its ranking, its loss curves."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path

from dpo_ray.report.ranking import RankedRow, rank
from dpo_ray.report.recommended import recommended
from dpo_ray.tracking.records import CONFIRMATIONS, AnyRecord, TrainMetrics
from dpo_ray.tracking.state import SweepState, fold

LOSS = "train/loss"


@dataclass(frozen=True)
class Material:
    """A sweep as its journal tells it; `live` while a process works on it."""

    state: SweepState
    rows: list[RankedRow]
    losses: Mapping[int, Mapping[int, float]]
    """The search's training losses: by trial, by optimizer step."""
    folder: Path
    """Of the sweep, where its files may lie."""
    live: bool
    called: str = ""
    """Another name, where two sweeps have the same."""

    @property
    def name(self) -> str:
        """What the sweep is called: its own name, unless it was given another one."""
        return self.called or (self.state.plan.name if self.state.plan else self.folder.name)

    @property
    def used(self) -> RankedRow | None:
        """The checkpoint to use; None before a trial has completed."""
        found = recommended(self.state, self.rows)
        return found if found is not None and found.trial is not None else None

    @property
    def control(self) -> RankedRow | None:
        """The default configuration's row, as it is ranked."""
        return next((row for row in self.rows if row.is_control), None)


def told_apart(found: Sequence[Material]) -> list[Material]:
    """Return sweeps of the same name, from several stores, with their stores' names before it."""
    if len({each.name for each in found}) == len(found):
        return list(found)
    stores = [each.folder.parents[1].name for each in found]
    if len({*stores}) < len(found):
        stores = [str(each.folder.parents[1]) for each in found]
    return [
        replace(each, called=f"{store}/{each.name}")
        for each, store in zip(found, stores, strict=True)
    ]


def gather(records: Iterable[AnyRecord], folder: Path, live: bool = False) -> Material:
    """Fold a journal, which may end anywhere."""
    kept = list(records)
    state = fold(kept)
    losses: dict[int, dict[int, float]] = {}
    for record in kept:
        if isinstance(record, TrainMetrics) and record.trial < CONFIRMATIONS:
            value = record.metrics.get(LOSS)
            if value is not None and isfinite(value):
                losses.setdefault(record.trial, {})[record.step] = value
    return Material(state, rank(state), losses, folder, live)
