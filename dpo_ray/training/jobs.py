"""What a slot is asked to do and what it answers. Plain values: they cross processes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from dpo_ray.config.data import DataConfig
from dpo_ray.config.evaluation import EvaluationConfig
from dpo_ray.config.reference import SftConfig
from dpo_ray.config.training import TrainingConfig
from dpo_ray.data.prepared import Prepared
from dpo_ray.data.shards import Shard
from dpo_ray.evaluation.judging import Judging

State = Literal["COMPLETED", "STOPPED", "FAILED", "KILLED"]
Origin = Literal["control", "try_first", "warm_start", "grid", "startup", "sampler", "confirmation"]
Fatal = Literal["reference", "workers", "data", "judges", "store"]
"""Why a whole sweep must end: its reference is wrong, its workers are gone, its rows are few, its
judges cannot judge the reference itself, what it must keep cannot be written."""
Verdict = Literal["continue", "stop", "cancel", "timeout"]
"""continue: train on; stop: a rung's decision; cancel: the sweep is ending; timeout: the trial's
own time is over."""


@dataclass(frozen=True)
class ModelSpec:
    """The base model of a sweep, as a worker loads it."""

    folder: Path
    dtype: str
    attention: str = "sdpa"
    quantization: str = "none"
    trust_remote_code: bool = False


Stage = Literal["tokens", "scores", "completions", "judged"]
"""The cache entries of a sweep; each needs the ones before it, but completions only the tokens."""


@dataclass(frozen=True)
class Preparation:
    """What all jobs of a sweep's preparation have in common."""

    model: ModelSpec
    rows: Path
    """The entry of checked rows."""
    prepared: Prepared
    data: DataConfig
    evaluation: EvaluationConfig
    judging: Judging = field(default_factory=Judging)


@dataclass(frozen=True)
class ShardJob:
    """Do one shard of one stage, beside its entry."""

    preparation: Preparation
    stage: Stage
    shard: Shard


@dataclass(frozen=True)
class JoinJob:
    """Make a stage's entry of its finished shards."""

    preparation: Preparation
    stage: Stage
    shards: tuple[Shard, ...] = ()


@dataclass(frozen=True)
class SftJob:
    """Fine-tune the base model into the sweep's reference: a plain model in `target/model`."""

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
    judging: Judging = field(default_factory=Judging)
    """What the judges need beside their settings."""
    node_cache: Path | None = None
    """Where this node keeps its own copy of what is prepared; None reads it where it lies."""
    evaluate: bool = True
    """False leaves evaluation out, to measure training alone."""
    trial: int = -1
    params: Mapping[str, Any] = field(default_factory=dict)
    origin: Origin = "control"
    stop_at: int | None = None
    """The step after which the trial is evaluated once and ends; its schedule stays the whole one.
    None: evaluated at its rungs, and trained to its end."""
    stream: int = 0
    """Which stream of random numbers its answers are drawn from: each seed of a confirmation has
    its own."""
    confirms: int | None = None
    """Number of the candidate that is tried again; None for a trial of the search."""
    resume: bool = False
    """Go on from the trial's last whole checkpoint, if it has one; else what its folder holds of an
    earlier life is removed."""
    seen_log: int = -1
    """The last step whose training metrics the journal has; none up to it are told again."""
    seen_rung: int = -1
    """The last step whose evaluation the journal has, likewise."""
    remembered: Mapping[str, Any] = field(default_factory=dict)
    """What the sampler must be told again of the trial when its study is rebuilt."""
    trial_s: float | None = None
    """Seconds after which it fails as a timeout."""
    silent_s: float | None = None
    """Seconds without a sign of progress after which it hangs."""
    retries: int = 1
    """How often it goes on after the death of its workers."""
    deaths: int = 0
    """How often they have died already, each time with their whole slot."""

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


def after_death(job: TrialJob, seen_rung: int = -1) -> TrialJob:
    """Return a job to be gone on with in another slot, as its own has died.

    `seen_rung`: the last step whose evaluation was passed on since the job began.
    """
    seen = max(job.seen_rung, seen_rung)
    return replace(job, resume=True, seen_rung=seen, deaths=job.deaths + 1)


@dataclass(frozen=True)
class AssessJob:
    """Evaluate a saved adapter as a trial is evaluated, without training anything.

    `like` says on what and by whom, its `stream` which random numbers the answers are drawn from;
    its folder takes the tables, as of step 0.
    """

    like: TrialJob
    adapter: Path


Job = ShardJob | JoinJob | SftJob | TrialJob | AssessJob


@dataclass(frozen=True)
class Texts:
    """What an SFT trains on: texts used, of which cut at max_length, and texts left out.

    A text is left out where the cut leaves nothing of it to learn.
    """

    used: int = 0
    cut: int = 0
    left_out: int = 0


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
    model: str | None = None
    """Folder of the trained model, of an SFT or where training.mode is full; `adapter` else."""
    timings: dict[str, float] = field(default_factory=dict)
    fatal: Fatal | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    """The evaluation that a trial failed by; nobody decides on it, but people want to see it."""
    by_limits: bool = False
    """A limit of the evaluation failed the trial: a finding about the configuration, no fault."""
    ranks: tuple[RankEnd, ...] = ()
    forwards: int = 0
    """Batches of dataset pairs the reference was run on, over all ranks."""
    trace: str = ""
    """The traceback of a preparation or an SFT that broke; a trial's lies in its folder."""


def overran(after_s: float, limit_s: float | None, more: str = "") -> str:
    """Say that a trial was not done in time, and what had set it one."""
    limit = "" if limit_s is None else f"; budget.trial_minutes={limit_s / 60:g}"
    return f"timeout: not done after {after_s:.0f} s{more}{limit}"
