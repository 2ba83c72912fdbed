"""What every room of the page reads: the fold over a journal, its ranking, its loss curves."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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

    @property
    def name(self) -> str:
        """The sweep's own name."""
        return self.state.plan.name if self.state.plan else self.folder.name

    @property
    def used(self) -> RankedRow | None:
        """The checkpoint to use; None before a trial has completed."""
        found = recommended(self.state, self.rows)
        return found if found is not None and found.trial is not None else None

    @property
    def control(self) -> RankedRow | None:
        """The default configuration's row, as it is ranked."""
        return next((row for row in self.rows if row.is_control), None)


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
