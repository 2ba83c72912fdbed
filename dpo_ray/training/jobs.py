"""What a slot is asked to do and what it answers. Plain values: they cross processes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from dpo_ray.config.reference import SftConfig
from dpo_ray.config.sweep import EvaluationConfig
from dpo_ray.config.training import TrainingConfig
from dpo_ray.data.prepared import Prepared

State = Literal["COMPLETED", "STOPPED", "FAILED", "KILLED"]
Origin = Literal["control", "startup", "sampler"]
Fatal = Literal["reference", "workers", "data"]
"""Why a whole sweep must end: its reference is wrong, its workers are gone, its rows are few."""
Verdict = Literal["continue", "stop", "cancel"]
"""continue: train on; stop: a rung's decision; cancel: the sweep is ending."""


@dataclass(frozen=True)
class ModelSpec:
    """The base model of a sweep, as a worker loads it."""

    folder: Path
    dtype: str
    attention: str = "sdpa"
    quantization: str = "none"
    trust_remote_code: bool = False


@dataclass(frozen=True)
class PrepareJob:
    """Fill whichever of the three cache entries is missing."""

    model: ModelSpec
    prepared: Prepared
    splits: Mapping[Any, list[dict[str, Any]]]
    max_length: int
    evaluation: EvaluationConfig


@dataclass(frozen=True)
class SftJob:
    """Fine-tune the base model into the sweep's reference, saved as a plain model in `target`."""

    model: ModelSpec
    texts: Path
    """A saved dataset of prompt and completion, messages, or text."""
    settings: SftConfig
    max_length: int
    target: Path


@dataclass(frozen=True)
class TrialJob:
    """Train one configuration and evaluate it at its rungs.

    `params` and `origin` say what was searched and who proposed it; `training` holds the
    outcome. A sweep's template has neither yet.
    """

    model: ModelSpec
    prepared: Prepared
    training: TrainingConfig
    evaluation: EvaluationConfig
    max_length: int
    folder: Path
    evaluate: bool = True
    """False leaves evaluation out, to measure training alone."""
    trial: int = -1
    params: Mapping[str, Any] = field(default_factory=dict)
    origin: Origin = "control"

    def configured(self, trial: int, params: Mapping[str, Any], origin: Origin) -> "TrialJob":
        """Return the job of one configuration: this one's training with `params` put in."""
        values = {**self.training.model_dump(), **params}
        return replace(
            self,
            trial=trial,
            params=params,
            origin=origin,
            training=TrainingConfig.model_validate(values),
            folder=self.folder / f"t{trial:02d}",
        )


Job = PrepareJob | SftJob | TrialJob


@dataclass(frozen=True)
class Handed:
    """Rank 0's answer from the mailbox: a job, an order to go home, or neither yet."""

    job_id: int = 0
    job: Job | None = None
    closed: bool = False


@dataclass(frozen=True)
class RankEnd:
    """Where one rank stood at the trial's end: all ranks of a trial stop at the same step."""

    pid: int
    step: int


@dataclass(frozen=True)
class Outcome:
    """How a job ended; `reason` is read by people, `fatal` ends the whole sweep."""

    state: State
    reason: str
    step: int = 0
    seconds: float = 0.0
    adapter: str | None = None
    timings: dict[str, float] = field(default_factory=dict)
    fatal: Fatal | None = None
    ranks: tuple[RankEnd, ...] = ()


class Mailbox(Protocol):
    """A worker group's only contact with the outside, used by rank 0 alone.

    Calls may block; `report` does until the rung is decided. An in-process mailbox runs a
    trial without Ray, the slot's mailbox under it.
    """

    def next_job(self, last: int) -> Handed:
        """Wait a while for a job with an id above `last`."""
        ...

    def started(self, job_id: int, total_steps: int) -> None:
        """Say that training begins, and how long it will be."""
        ...

    def log(self, job_id: int, step: int, metrics: dict[str, float]) -> None:
        """Pass on a logging step's metrics; may not wait."""
        ...

    def report(self, job_id: int, step: int, fraction: float, metrics: dict[str, float]) -> Verdict:
        """Pass on a rung's metrics and wait for the verdict."""
        ...

    def poll(self, job_id: int) -> Verdict:
        """Ask between rungs whether the job was cancelled."""
        ...

    def finish(self, job_id: int, outcome: Outcome) -> None:
        """Say how the job ended."""
        ...
