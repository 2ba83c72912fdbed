"""What a sweep looks like now: a pure fold over its journal."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from dpo_ray.tracking.records import (
    AnyRecord,
    ArtifactWritten,
    Metrics,
    Origin,
    Params,
    Prepared,
    RungDecided,
    RungReached,
    SweepEnded,
    SweepPlanned,
    TrainMetrics,
    TrialEnded,
    TrialStarted,
    TrialState,
)


@dataclass
class TrialRow:
    """One trial so far; `metrics` is its latest evaluation, `rungs` all of them."""

    number: int
    params: Params
    origin: Origin
    slot: str
    folder: str
    total_steps: int
    started: float
    """Unix seconds, as is `ended`."""
    status: Literal["RUNNING"] | TrialState = "RUNNING"
    step: int = 0
    metrics: Metrics = field(default_factory=dict)
    train: Metrics = field(default_factory=dict)
    rungs: list[RungReached] = field(default_factory=list)
    reason: str = ""
    adapter: str | None = None
    ended: float | None = None
    seconds: float = 0.0
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """`t04` for trial 4: short enough for a table's first column."""
        return f"t{self.number:02d}"

    @property
    def is_control(self) -> bool:
        """Whether this is the sweep's own default configuration."""
        return self.origin == "control"


@dataclass
class SweepState:
    """A sweep so far. Not thread-safe: each mirror folds its own."""

    plan: SweepPlanned | None = None
    prepared: Prepared | None = None
    trials: dict[int, TrialRow] = field(default_factory=dict)
    artifacts: list[ArtifactWritten] = field(default_factory=list)
    ended: SweepEnded | None = None

    @property
    def reference(self) -> Metrics:
        """The reference model's own evaluation; empty until it is prepared."""
        return self.prepared.reference if self.prepared else {}

    @property
    def parameters(self) -> dict[str, dict[str, Any]]:
        """The space: each searched parameter's type and bounds, in the file's order."""
        found: dict[str, dict[str, Any]] = self._planned("space", "parameters") or {}
        return found

    @property
    def objective(self) -> tuple[str, str]:
        """The metric trials are ranked by, as in `eval/METRIC`, and its direction."""
        found = self._planned("sweep", "objective") or {}
        return found.get("metric", "win_rate"), found.get("direction", "maximize")

    @property
    def seconds(self) -> float:
        """Wall time from the first record to the last, once the sweep has ended."""
        return self.ended.time - self.plan.time if self.ended and self.plan else 0.0

    def with_status(self, *wanted: str) -> list[TrialRow]:
        """The trials in one of these states, by number."""
        return [row for _, row in sorted(self.trials.items()) if row.status in wanted]

    def apply(self, record: AnyRecord) -> None:
        """Take in the next record."""
        match record:
            case SweepPlanned():
                self.plan = record
            case Prepared():
                self.prepared = record
            case TrialStarted():
                self.trials[record.trial] = _started(record)
            case ArtifactWritten():
                self.artifacts.append(record)
            case SweepEnded():
                self.ended = record
            case _:
                _advance(self.trials[record.trial], record)

    def _planned(self, section: str, key: str) -> Any:
        return self.plan.plan.get(section, {}).get(key) if self.plan else None


def fold(records: Iterable[AnyRecord]) -> SweepState:
    """Replay a journal into the state it describes."""
    state = SweepState()
    for record in records:
        state.apply(record)
    return state


def _started(record: TrialStarted) -> TrialRow:
    facts = record.model_dump(exclude={"kind", "seq", "time", "trial"})
    return TrialRow(number=record.trial, started=record.time, **facts)


def _advance(row: TrialRow, record: TrainMetrics | RungReached | RungDecided | TrialEnded) -> None:
    row.step = record.step
    match record:
        case TrainMetrics():
            row.train = record.metrics
        case RungReached():
            row.metrics = record.metrics
            row.rungs.append(record)
        case RungDecided():
            row.reason = record.reason
        case TrialEnded():
            # The rung's own reason says by how much a stopped trial missed it.
            decided = f": {row.reason}" if record.state == "STOPPED" and row.reason else ""
            row.reason = record.reason + decided
            row.status, row.ended = record.state, record.time
            row.adapter, row.seconds = record.adapter, record.seconds
            row.timings = record.timings
