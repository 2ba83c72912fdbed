"""One trial of a sweep so far, and how each line about it changes it."""

from dataclasses import dataclass, field
from typing import Any, Literal

from dpo_ray.tracking.records import (
    CONFIRMATIONS,
    Metrics,
    Origin,
    Params,
    RungDecided,
    RungReached,
    TrainMetrics,
    TrialEnded,
    TrialResumed,
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
    confirms: int | None = None
    """The candidate that is tried again; None for a trial of the search."""
    seed: int | None = None
    remembered: dict[str, Any] = field(default_factory=dict)
    """What the sampler keeps of it beside its values."""
    status: Literal["RUNNING"] | TrialState = "RUNNING"
    step: int = 0
    metrics: Metrics = field(default_factory=dict)
    train: Metrics = field(default_factory=dict)
    rungs: list[RungReached] = field(default_factory=list)
    decisions: list[RungDecided] = field(default_factory=list)
    reason: str = ""
    by_limits: bool = False
    """Failed by a limit of the evaluation, not by a fault."""
    adapter: str | None = None
    model: str | None = None
    """Saved instead of an adapter where all weights were trained."""
    ended: float | None = None
    seconds: float = 0.0
    """In slots, over all its lives; `before` is what the earlier ones took."""
    before: float = 0.0
    timings: dict[str, float] = field(default_factory=dict)
    last: float = 0.0
    """Unix seconds of the latest record about it."""
    seen_log: int = -1
    """The last step whose training metrics were told."""

    @property
    def name(self) -> str:
        """`t04` for trial 4, `c04` for a confirmation's: short enough for a table's column."""
        return trial_name(self.number)

    @property
    def seen_rung(self) -> int:
        """The last step whose evaluation was told, -1 before the first."""
        return self.rungs[-1].step if self.rungs else -1

    @property
    def is_control(self) -> bool:
        """Whether this is the sweep's own default configuration."""
        return self.origin == "control"


def trial_name(number: int) -> str:
    """Return `t04` for a trial of the search, `c04` for one of the confirmation."""
    if number >= CONFIRMATIONS:
        return f"c{number - CONFIRMATIONS:02d}"
    return f"t{number:02d}"


def started_row(record: TrialStarted) -> TrialRow:
    """Return the row of a trial that begins."""
    facts = record.model_dump(exclude={"kind", "seq", "time", "trial"})
    return TrialRow(number=record.trial, started=record.time, last=record.time, **facts)


def advance(
    row: TrialRow, record: TrialResumed | TrainMetrics | RungReached | RungDecided | TrialEnded
) -> None:
    """Take in the next record about a trial."""
    row.step = record.step
    match record:
        case TrialResumed():
            _go_on(row, record)
        case TrainMetrics():
            row.train, row.seen_log = record.metrics, record.step
        case RungReached():
            row.metrics = record.metrics
            row.rungs = [rung for rung in row.rungs if rung.step != record.step] + [record]
        case RungDecided():
            row.reason = record.reason
            row.decisions.append(record)
        case TrialEnded():
            _end(row, record)
    row.last = record.time


def _go_on(row: TrialRow, record: TrialResumed) -> None:
    # Without an end of its own, its life ended with the last that was heard of it.
    row.before = row.seconds if row.ended else row.before + row.last - row.started
    row.seconds, row.started = row.before, record.time
    row.status, row.ended, row.reason, row.slot = "RUNNING", None, "", record.slot
    row.total_steps = record.total_steps or row.total_steps


def _end(row: TrialRow, record: TrialEnded) -> None:
    # The rung's own reason says by how much a stopped trial missed it.
    decided = f": {row.reason}" if record.state == "STOPPED" and row.reason else ""
    row.reason = record.reason + decided
    row.status, row.ended = record.state, record.time
    row.adapter, row.model = record.adapter, record.model
    row.seconds = row.before + record.seconds
    row.timings = record.timings
    row.metrics = record.metrics or row.metrics
    row.by_limits = record.by_limits
