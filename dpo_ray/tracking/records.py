"""The kinds of line a sweep's journal may hold.

A record is written once and never changed. Whatever a mirror, the console or the report shows
is a fold over these, so a new fact about a sweep starts as a field here.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

TrialState = Literal["COMPLETED", "STOPPED", "FAILED", "KILLED"]
"""COMPLETED ran all steps, STOPPED was ended at a rung, FAILED broke, KILLED was interrupted."""
Origin = Literal["control", "try_first", "warm_start", "grid", "startup", "sampler", "confirmation"]
"""Who proposed a configuration: the sweep's own values, the list the sweep file gives, an older
sweep's best, the grid, a random start-up draw, the sampler, or the confirmation, which tries a
candidate of the search again."""
CONFIRMATIONS = 10_000
"""Confirmation trials count from here, so that a search can always go on counting its own."""
Metrics = dict[str, float]
Params = dict[str, float | int | str | bool]


def _encodable(text: object) -> object:
    """Replace what UTF-8 cannot hold (undecodable file names in an error's text)."""
    return text.encode("utf-8", "replace").decode() if isinstance(text, str) else text


Reason = Annotated[str, BeforeValidator(_encodable)]
"""A sentence for people, often an exception's own text."""


class Record(BaseModel):
    """One line: `seq` counts from 0 without gaps, `time` is Unix seconds, stamped on append."""

    # A diverged trial's NaN must survive the round trip, and JSON itself has no word for it.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    seq: int = -1
    time: float = 0.0


class ProjectCommit(BaseModel):
    """What the project that a sweep was started from looked like."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    commit: str
    dirty: bool
    """Files that git follows had been changed since."""


class SweepPlanned(Record):
    """The first line: everything that was decided before anything ran."""

    kind: Literal["planned"] = "planned"
    name: str
    plan: dict[str, Any]
    host: str
    pid: int
    versions: dict[str, str]
    command: list[str] = []
    """As it was typed, word by word, without secrets; empty where nobody typed it."""
    project: ProjectCommit | None = None
    """None where it was started outside a git repository."""


class SweepResumed(Record):
    """The same sweep goes on, in another process; of its plan the parts that may change are new."""

    kind: Literal["resumed"] = "resumed"
    plan: dict[str, Any]
    host: str
    pid: int
    versions: dict[str, str]


class WarmTrial(BaseModel):
    """A finished trial of an older sweep, in this sweep's terms."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    params: Params
    state: Literal["COMPLETED", "STOPPED"]
    values: list[float]
    """Of the objectives, at the trial's last rung."""
    rungs: dict[int, float] = {}
    """The first objective by step."""


class WarmStarted(Record):
    """What another sweep has taught this one; `note` says what was taken and what was not."""

    kind: Literal["warm_started"] = "warm_started"
    sweep: str
    trials: list[WarmTrial]
    configs: list[Params]
    """Its best, which run again early in this sweep."""
    note: Reason


class SlotsOpened(Record):
    """Slots hold their resources from here to the end of the run."""

    kind: Literal["slots"] = "slots"
    slots: int
    workers: int
    """Of each slot."""
    gpus: float
    """Held by all of them together."""


class DataChecked(Record):
    """The pairs were read, checked and tokenized; `report` is a `data.report.DataReport`."""

    kind: Literal["data"] = "data"
    report: dict[str, Any]


class ReferenceStarted(Record):
    """Supervised fine-tuning of the reference begins, or a kept one is taken up again."""

    kind: Literal["reference_started"] = "reference_started"
    settings: dict[str, Any]
    """`reference.sft` of the sweep file."""
    model: str
    """Folder of the model that is fine-tuned."""
    texts: int
    cut: int = 0
    """Texts of which max_length cut something off."""
    left_out: int = 0
    """Texts of which the cut left nothing to learn."""
    total_steps: int
    slot: str | None
    """None where the result was found in the cache."""


class ReferenceMetrics(Record):
    """TRL's own metrics of one logging step of the SFT, under `train/`."""

    kind: Literal["reference_metrics"] = "reference_metrics"
    step: int
    metrics: Metrics
    system: Metrics = {}
    """What the worker used meanwhile, under `system/`."""


class ReferenceEnded(Record):
    """The SFT is over; `model` is the folder of the reference it made."""

    kind: Literal["reference_ended"] = "reference_ended"
    state: TrialState
    reason: Reason
    step: int
    seconds: float
    """Of training; of the first time, where the result was found in the cache."""
    model: str | None = None
    reused: bool = False


class Prepared(Record):
    """Data and reference are ready; `reference` is the reference's own row of `eval/*` metrics."""

    kind: Literal["prepared"] = "prepared"
    rows: dict[str, int]
    """Rows read, kept, dropped per reason, and per split."""
    hashes: dict[str, str]
    """Content keys: data, tokens, reference scores, reference completions."""
    reused: bool
    """Nothing had to be computed: the cache had it all."""
    seconds: float
    forwards: int = 0
    """Batches of dataset pairs that the reference was run on: rows / batch size, once."""
    reference: Metrics


class TrialStarted(Record):
    """A configuration was handed to a slot."""

    kind: Literal["trial_started"] = "trial_started"
    trial: int
    params: Params
    """Absolute values of what is searched."""
    origin: Origin
    slot: str
    folder: str
    total_steps: int
    confirms: int | None = None
    """Number of the candidate that is tried again; None for a trial of the search."""
    seed: int | None = None
    remembered: dict[str, Any] = {}
    """What the sampler keeps of it beside its values: NSGA-II its generation."""


class TrialResumed(Record):
    """An interrupted trial goes on after `step`, whose checkpoint was its last whole one."""

    kind: Literal["trial_resumed"] = "trial_resumed"
    trial: int
    slot: str
    step: int
    total_steps: int


class TrainMetrics(Record):
    """TRL's own metrics of one logging step, under `train/`."""

    kind: Literal["train"] = "train"
    trial: int
    step: int
    metrics: Metrics
    system: Metrics = {}
    """What the worker used meanwhile, under `system/`: of the first worker of several."""


class RungReached(Record):
    """An evaluation: `metrics` under `eval/`, `fraction` of the trial's own steps."""

    kind: Literal["rung"] = "rung"
    trial: int
    step: int
    fraction: float
    metrics: Metrics


class RungDecided(Record):
    """The scheduler's verdict on a rung, with the reason in words."""

    kind: Literal["decision"] = "decision"
    trial: int
    step: int
    action: Literal["continue", "stop"]
    reason: Reason
    spared: bool = False
    """It would have gone on whatever its value was."""


class TrialEnded(Record):
    """The trial is over; `reason` is for people, `adapter` or `model` the folder of what was saved.

    A trial has a model and no adapter where all weights were trained.
    """

    kind: Literal["trial_ended"] = "trial_ended"
    trial: int
    state: TrialState
    reason: Reason
    step: int
    seconds: float
    adapter: str | None = None
    model: str | None = None
    metrics: Metrics = {}
    """The evaluation that failed the trial, where one did."""
    by_limits: bool = False
    """A limit of the evaluation failed it: a finding, no fault."""
    timings: dict[str, float] = {}
    """Seconds: `gap_s` from the slot's previous trial's end to this one's first step, and more."""


class ArtifactWritten(Record):
    """A file or folder worth keeping; `trial` is None for the sweep's own."""

    kind: Literal["artifact"] = "artifact"
    path: str
    folder: str = ""
    """Where among the run's artifacts it goes."""
    trial: int | None = None
    table: bool = False
    """A Parquet file that is shown as a table."""


class Candidate(BaseModel):
    """A configuration, stopped at one of its checkpoints, that is worth trying again."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    trial: int
    step: int
    fraction: float
    """Of the trial's own steps."""
    total_steps: int
    params: Params
    is_default: bool
    """The sweep's own configuration, which the others are compared with."""
    metrics: Metrics
    """The search's evaluation of it, on validation prompts."""


class ConfirmationPlanned(Record):
    """What is tried again, on which seeds; `reference` is the reference's row on test prompts."""

    kind: Literal["confirmation_planned"] = "confirmation_planned"
    candidates: list[Candidate]
    seeds: list[int]
    prompts: int
    reference: Metrics


class CandidateConfirmed(Record):
    """What became of a candidate: means over its seeds, on test prompts, under `confirm/`."""

    kind: Literal["candidate_confirmed"] = "candidate_confirmed"
    candidate: int
    metrics: Metrics
    """`win_rate`, `seed_spread`, `against_default` with `_low`, `_high` and `_p`, `optimism`..."""


class Confirmed(Record):
    """The confirmation is over; `verdict` is its one sentence."""

    kind: Literal["confirmed"] = "confirmed"
    champion: int | None
    """Number of the candidate that is recommended; None if nothing beats the default."""
    verdict: Reason


class ChampionCompared(Record):
    """The confirmed policy beside the one that is served, on the same prompts and draws."""

    kind: Literal["champion"] = "champion"
    model: str
    """Name in the registry."""
    version: str | None
    """That carried the alias `champion`; None where none did."""
    sweep: str = ""
    """Whose it is; empty for one that people registered."""
    trial: int
    """The challenger's, with its step."""
    step: int
    metric: str
    metrics: Metrics = {}
    """`challenger`, `champion` and `gain`, each with `_low` and `_high`, under `champion/`."""
    promoted: bool
    regressed: bool = False
    """The challenger is clearly worse than the champion."""
    reason: Reason


class PolicyRecommended(Record):
    """What the sweep says to use: a trial's policy after `step`, and where its weights lie."""

    kind: Literal["recommended"] = "recommended"
    trial: int
    step: int
    adapter: str | None = None
    model: str | None = None
    """Instead of an adapter, where all weights were trained."""


class SweepEnded(Record):
    """The last line; a journal without it belongs to a live or a dead sweep."""

    kind: Literal["sweep_ended"] = "sweep_ended"
    exit_code: int
    reason: Reason
    best: int | None = None
    step: int | None = None
    """The checkpoint of the best trial that is meant; None: its last."""


AnyRecord = Annotated[
    SweepPlanned
    | SweepResumed
    | WarmStarted
    | SlotsOpened
    | DataChecked
    | ReferenceStarted
    | ReferenceMetrics
    | ReferenceEnded
    | Prepared
    | TrialStarted
    | TrialResumed
    | TrainMetrics
    | RungReached
    | RungDecided
    | TrialEnded
    | ArtifactWritten
    | ConfirmationPlanned
    | CandidateConfirmed
    | Confirmed
    | ChampionCompared
    | PolicyRecommended
    | SweepEnded,
    Field(discriminator="kind"),
]
