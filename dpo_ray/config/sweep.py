"""Everything about a run but the question: the second of the two files people write."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from dpo_ray.config.confirm import ConfirmConfig
from dpo_ray.config.data import DataConfig
from dpo_ray.config.evaluation import EvaluationConfig
from dpo_ray.config.model import ModelConfig
from dpo_ray.config.objective import LOWER_IS_BETTER, METRICS, ObjectiveConfig, Objectives
from dpo_ray.config.reference import ReferenceConfig
from dpo_ray.config.rules import STRICT, broken_rule
from dpo_ray.config.training import TrainingConfig
from dpo_ray.config.wording import did_you_mean, show

TRACKING_SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql")


class SchedulerConfig(BaseModel):
    """When a trial is stopped before its last step."""

    model_config = STRICT

    type: Literal["asha", "none"] = "asha"
    """asha: at each rung only the better part goes on; none: every trial runs to its end."""
    reduction_factor: Annotated[int, Field(ge=2)] = 2
    """Of so many trials at a rung, one goes on."""
    grace_trials: Annotated[int, Field(ge=1)] = 4
    """So many trials pass a rung before it stops any: fewer say little about what is good."""


class SearchConfig(BaseModel):
    """How configurations are chosen."""

    model_config = STRICT

    sampler: Literal["tpe", "random"] = "tpe"
    """tpe learns from the trials before; random does not."""
    trials: Annotated[int, Field(ge=1)] = 12
    """Configurations in all, the control trial included."""
    concurrent: Annotated[int, Field(ge=1)] = 2
    """Trials that run at the same time, each in its own slot."""
    n_startup: Annotated[int, Field(ge=0)] = 4
    """Finished trials before tpe replaces random draws."""
    scheduler: SchedulerConfig = SchedulerConfig()
    """The rule of early stopping."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Of the sampler."""


class ResourcesConfig(BaseModel):
    """What one slot, so one running trial, may use."""

    model_config = STRICT

    workers: Annotated[int, Field(ge=1)] = 1
    """Ray Train workers that share each batch."""
    cpus_per_worker: Annotated[float, Field(gt=0)] = 0.9
    """CPUs of a worker; 0.9 lets two slots and their proxies fit on 2 CPUs."""
    gpus_per_worker: Annotated[float, Field(ge=0)] | None = None
    """GPUs of a worker; not set: a whole one where there are enough, else none."""

    @model_validator(mode="after")
    def _gpus_can_be_shared_so(self) -> Self:
        gpus = self.gpus_per_worker or 0.0
        if gpus > 1 and gpus % 1:
            raise broken_rule(f"above 1 it must be a whole number, got {gpus}", "gpus_per_worker")
        if 0 < gpus < 1 and self.workers > 1:
            raise broken_rule(
                f"a part of a GPU works with workers=1 only, got {gpus} and workers={self.workers}",
                "gpus_per_worker",
                "workers",
            )
        return self


class BudgetConfig(BaseModel):
    """When the sweep gives up."""

    model_config = STRICT

    failures: Annotated[int, Field(ge=1)] = 5
    """Failed trials that end the sweep; those that evaluation.limits failed do not count."""


class TrackingConfig(BaseModel):
    """Where MLflow shows the sweep."""

    model_config = STRICT

    uri: str | None = None
    """An MLflow server or database; not set: a SQLite file in the store."""
    experiment: Annotated[str, Field(min_length=1, max_length=250)] = "dpo-ray"
    """The MLflow experiment of the sweep's runs."""

    @model_validator(mode="after")
    def _uri_is_a_server_or_database(self) -> Self:
        scheme, colon, rest = (self.uri or "").partition("://")
        known = scheme.partition("+")[0] in TRACKING_SCHEMES  # postgresql+psycopg2 names a driver
        if self.uri is not None and not (known and colon and rest):
            raise broken_rule(
                f"must be the URL of a server or a database, got {show(self.uri)}; "
                f"allowed: {', '.join(f'{scheme}://' for scheme in TRACKING_SCHEMES)}",
                "uri",
            )
        return self


class ClusterConfig(BaseModel):
    """Where the sweep runs."""

    model_config = STRICT

    address: Annotated[str, Field(min_length=1)] | None = None
    """A Ray cluster; not set: this machine."""
    node_cache: Annotated[str, Field(min_length=1)] | None = None
    """Folder on a node's own disk that prepared data is copied to once; not set: below the node's
    temporary folder on a joined cluster, and no copy on this machine alone."""


class SweepConfig(BaseModel):
    """One sweep; every section has defaults, so a file holds only what differs."""

    model_config = STRICT

    model: ModelConfig = ModelConfig()
    """The model that is aligned."""
    data: DataConfig = DataConfig()
    """Preference pairs and how they are split."""
    reference: ReferenceConfig = ReferenceConfig()
    """What DPO starts from and is held to."""
    training: TrainingConfig = TrainingConfig()
    """One DPO run; the values of searched fields are the control trial."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """How a trial is measured at its rungs."""
    objective: Objectives = [ObjectiveConfig()]
    """The number by which trials are ranked, or a list of two: quality and distance."""
    search: SearchConfig = SearchConfig()
    """How configurations are chosen."""
    confirm: ConfirmConfig | None = None
    """How the best are tried again on fresh seeds and unseen prompts; not set: they are not."""
    resources: ResourcesConfig = ResourcesConfig()
    """What one slot may use."""
    budget: BudgetConfig = BudgetConfig()
    """When the sweep gives up."""
    tracking: TrackingConfig = TrackingConfig()
    """Where MLflow shows the sweep."""
    cluster: ClusterConfig = ClusterConfig()
    """Where the sweep runs."""

    @model_validator(mode="after")
    def _objectives_are_measured(self) -> Self:
        judges = self.evaluation.further_judges
        known = [*METRICS, *(f"{name}/{what}" for name in judges for what in ("win_rate", "score"))]
        unscored = {"gold_reward"} if self.evaluation.judge.type == "llm" else set[str]()
        unscored |= {f"{name}/score" for name, judge in judges.items() if judge.type == "llm"}
        for objective in self.objective:
            if objective.metric not in known:
                hint = did_you_mean(objective.metric, known)
                rule = f"unknown metric, got {show(objective.metric)}{hint}"
                raise broken_rule(rule, "objective.metric", "objective")
            if objective.metric in unscored:
                raise broken_rule(
                    f"{objective.metric} needs a judge that gives scores, and an llm judge compares"
                    "; use win_rate",
                    "objective",
                )
        return self

    @model_validator(mode="after")
    def _two_objectives_are_quality_and_distance(self) -> Self:
        if len(self.objective) < 2:
            return self
        first, second = self.objective
        if first.metric in LOWER_IS_BETTER or second.metric != "kl":
            raise broken_rule(
                "two objectives are a metric to maximize and then kl to minimize, "
                f"got {first.metric} and {second.metric}",
                "objective",
            )
        if first.penalty is not None:
            raise broken_rule(
                "kl is the second objective already, so the first needs no penalty", "objective"
            )
        return self

    @model_validator(mode="after")
    def _confirmation_has_prompts(self) -> Self:
        if self.confirm is not None and self.data.test == 0:
            raise broken_rule(
                "confirm judges on test prompts, got data.test 0; allowed: above 0, or no confirm",
                "data.test",
                "confirm",
            )
        return self

    @model_validator(mode="after")
    def _what_is_trained_can_be(self) -> Self:
        if self.model.quantization != "none" and self.training.mode == "full":
            raise broken_rule(
                f"{self.model.quantization} weights are frozen, so training.mode must be lora, "
                "got full",
                "model.quantization",
                "training.mode",
            )
        return self

    @model_validator(mode="after")
    def _workers_share_sft_batches_evenly(self) -> Self:
        sft, workers = self.reference.sft, self.resources.workers
        if sft is not None and sft.batch_size % (workers * sft.gradient_accumulation):
            raise broken_rule(
                "reference.sft.batch_size must be a multiple of "
                "resources.workers x reference.sft.gradient_accumulation, "
                f"got {sft.batch_size} for {workers} x {sft.gradient_accumulation}",
                "reference.sft.batch_size",
                "resources.workers",
                "reference.sft.gradient_accumulation",
            )
        return self

    @model_validator(mode="after")
    def _workers_share_the_batch_evenly(self) -> Self:
        batch, parts = self.training.batch_size, self.training.gradient_accumulation
        if batch % (self.resources.workers * parts):
            raise broken_rule(
                "training.batch_size must be a multiple of "
                "resources.workers x training.gradient_accumulation, "
                f"got {batch} for {self.resources.workers} x {parts}",
                "training.batch_size",
                "resources.workers",
                "training.gradient_accumulation",
            )
        return self
