"""Everything about a run but the question: the second of the two files people write."""

from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

from dpo_ray.config.budget import BudgetConfig
from dpo_ray.config.champion import ChampionConfig
from dpo_ray.config.confirm import ConfirmConfig
from dpo_ray.config.data import DataConfig
from dpo_ray.config.evaluation import EvaluationConfig
from dpo_ray.config.model import ModelConfig
from dpo_ray.config.objective import LOWER_IS_BETTER, METRICS, ObjectiveConfig, Objectives
from dpo_ray.config.reference import ReferenceConfig
from dpo_ray.config.resources import ClusterConfig, ResourcesConfig
from dpo_ray.config.rules import STRICT, broken_rule
from dpo_ray.config.schedule import AlertsConfig, ScheduleConfig
from dpo_ray.config.search import SearchConfig
from dpo_ray.config.tracking import TrackingConfig
from dpo_ray.config.training import TrainingConfig
from dpo_ray.config.wording import did_you_mean, show


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
    champion: ChampionConfig | None = None
    """What the confirmed policy must do to be served in place of the present one; not set: only
    `dpo-ray promote` decides."""
    resources: ResourcesConfig = ResourcesConfig()
    """What one slot may use."""
    budget: BudgetConfig = BudgetConfig()
    """When the sweep gives up."""
    tracking: TrackingConfig = TrackingConfig()
    """Where MLflow shows the sweep."""
    cluster: ClusterConfig = ClusterConfig()
    """Where the sweep runs."""
    space: Annotated[str, Field(min_length=1)] | None = None
    """The search space of a scheduled sweep, as the command line would name it."""
    schedule: ScheduleConfig | None = None
    """When the sweep runs by itself: `python -m dpo_ray.schedule`."""
    alerts: AlertsConfig = AlertsConfig()
    """Who hears of a night that went wrong."""

    @model_validator(mode="after")
    def _objectives_are_measured(self) -> Self:
        for objective in self.objective:
            self._check_measured(objective.metric, "objective.metric", "objective")
        if self.search.scheduler.metric is not None:
            self._check_measured(self.search.scheduler.metric, "search.scheduler.metric")
        return self

    def _check_measured(self, metric: str, *keys: str) -> None:
        judges = self.evaluation.further_judges
        known = [*METRICS, *(f"{name}/{what}" for name in judges for what in ("win_rate", "score"))]
        unscored = {"gold_reward"} if self.evaluation.judge.type == "llm" else set[str]()
        unscored |= {f"{name}/score" for name, judge in judges.items() if judge.type == "llm"}
        if metric not in known:
            hint = did_you_mean(metric, known)
            raise broken_rule(f"unknown metric, got {show(metric)}{hint}", *keys)
        if metric in unscored:
            raise broken_rule(
                f"{metric} needs a judge that gives scores, and an llm judge compares"
                "; use win_rate",
                keys[-1],
            )

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
    def _nodes_that_come_late_have_known_gpus(self) -> Self:
        if self.cluster.wait_minutes is not None and self.resources.gpus_per_worker is None:
            raise broken_rule(
                "resources.gpus_per_worker must be said where cluster.wait_minutes expects nodes "
                "that are not there yet, got nothing; allowed: 0 (CPU only) or more",
                "resources.gpus_per_worker",
                "cluster.wait_minutes",
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
    def _a_champion_can_be_beaten(self) -> Self:
        if self.champion is None:
            return self
        if self.confirm is None:
            raise broken_rule(
                "a champion is compared with what a confirmation recommends, got no confirm; "
                "allowed: confirm: {} for its defaults, or no champion",
                "champion",
                "confirm",
            )
        if self.training.mode == "full":
            raise broken_rule(
                "only adapters are registered by themselves, got training.mode full; allowed: "
                "lora, or no champion",
                "champion",
                "training.mode",
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
