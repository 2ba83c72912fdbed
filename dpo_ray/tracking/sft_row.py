"""The fine-tuning of a reference so far, and how each line about it changes it."""

from dataclasses import dataclass, field
from typing import Any, Literal

from dpo_ray.tracking.records import (
    Metrics,
    ReferenceEnded,
    ReferenceMetrics,
    ReferenceStarted,
    TrialState,
)


@dataclass
class SftRow:
    """The fine-tuning of the reference so far; `train` is its latest logging step."""

    settings: dict[str, Any]
    base: str
    """Folder of the model that is fine-tuned, `model` of what came out."""
    texts: int
    cut: int
    left_out: int
    total_steps: int
    slot: str | None
    started: float
    """Unix seconds, as are `logged`, of the latest step, and `ended`."""
    logged: float
    status: Literal["RUNNING"] | TrialState = "RUNNING"
    step: int = 0
    train: Metrics = field(default_factory=dict)
    first_loss: float | None = None
    loss: float | None = None
    """The latest."""
    reason: str = ""
    model: str | None = None
    reused: bool = False
    ended: float | None = None
    seconds: float = 0.0


def sft_started(record: ReferenceStarted) -> SftRow:
    """Return the row of a fine-tuning that begins, or of one that was found."""
    facts = record.model_dump(exclude={"kind", "seq", "time", "model"})
    return SftRow(base=record.model, started=record.time, logged=record.time, **facts)


def advance_sft(row: SftRow | None, record: ReferenceMetrics | ReferenceEnded) -> None:
    """Take in the next record about it."""
    if row is None:
        return
    row.step = record.step
    match record:
        case ReferenceMetrics():
            row.train, row.logged = record.metrics, record.time
            row.loss = record.metrics.get("train/loss", row.loss)
            row.first_loss = row.loss if row.first_loss is None else row.first_loss
        case ReferenceEnded():
            row.status, row.reason, row.ended = record.state, record.reason, record.time
            row.model, row.reused, row.seconds = record.model, record.reused, record.seconds
