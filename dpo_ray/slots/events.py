"""What a slot tells the driver. Events of one slot are numbered from 0 and kept in order."""

from dataclasses import dataclass, field

from dpo_ray.training.jobs import Job, Outcome, SftJob, Texts, TrialJob


@dataclass(frozen=True)
class Started:
    """Training of a trial begins."""

    job: TrialJob
    slot: str
    total_steps: int
    step: int = 0
    """Where an interrupted trial goes on from."""


@dataclass(frozen=True)
class Logged:
    """TRL's metrics of one logging step."""

    trial: int
    step: int
    metrics: dict[str, float]
    system: dict[str, float] = field(default_factory=dict)
    """What the worker used meanwhile."""


@dataclass(frozen=True)
class Wrote:
    """A file of a trial is complete."""

    trial: int
    path: str
    folder: str
    table: bool


@dataclass(frozen=True)
class Ended:
    """The trial has left the slot."""

    trial: int
    outcome: Outcome


@dataclass(frozen=True)
class SftStarted:
    """Supervised fine-tuning of the reference begins."""

    job: SftJob
    slot: str
    total_steps: int
    texts: Texts


@dataclass(frozen=True)
class SftLogged:
    """TRL's metrics of one of its logging steps."""

    step: int
    metrics: dict[str, float]
    system: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SftEnded:
    """The fine-tuning has left the slot."""

    outcome: Outcome


@dataclass(frozen=True)
class Warm:
    """The slot's workers are there and take jobs."""


@dataclass(frozen=True)
class Cold:
    """The slot has lost its workers, and takes no job until it is warm again."""

    reason: str


Told = Started | Logged | Wrote | Ended | SftStarted | SftLogged | SftEnded
"""What the journal hears of."""
Event = Told | Warm | Cold


@dataclass(frozen=True)
class Turn:
    """What a lease holder waits for: a rung to decide on, or the job's end.

    Attributes:
        events: how many of the slot's events came before this turn.
        again: the job, which another slot must go on with: this one has lost its workers.
    """

    events: int
    step: int = 0
    fraction: float = 0.0
    metrics: dict[str, float] | None = None
    outcome: Outcome | None = None
    again: Job | None = None
