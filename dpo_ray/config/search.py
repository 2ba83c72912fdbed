"""How configurations are chosen."""

from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

from dpo_ray.config.parameters import Choice
from dpo_ray.config.rules import STRICT, broken_rule
from dpo_ray.config.samplers import NsgaiiConfig, SamplerConfig, TpeConfig
from dpo_ray.config.scheduler import SchedulerConfig

SweepName = Annotated[str, Field(min_length=1)]


class SearchConfig(BaseModel):
    """How configurations are chosen."""

    model_config = STRICT

    sampler: SamplerConfig = TpeConfig()
    """Who proposes: tpe, gp, random, nsgaii or grid, or a map of that `type` and its options."""
    trials: Annotated[int, Field(ge=1, le=10_000)] = 12
    """Configurations in all, the control trial included."""
    concurrent: Annotated[int, Field(ge=1)] = 2
    """Trials that run at the same time, each in its own slot."""
    n_startup: Annotated[int, Field(ge=0)] = 4
    """Finished trials before tpe or gp replaces random draws."""
    scheduler: SchedulerConfig = SchedulerConfig()
    """The rule of early stopping."""
    try_first: list[dict[str, Choice]] = []
    """Configurations that run right after the control trial, each a map of searched fields."""
    full_trials: Annotated[int, Field(ge=0)] = 0
    """So many trials, spread over the search, run to their end whatever a rung says: they show
    whether early rungs foretell the end."""
    warm_start: SweepName | list[SweepName] | None = None
    """Name of another sweep of this store, or of several, the newest first: their finished trials
    teach the sampler, and their best run early in this one."""
    warm_configs: Annotated[int, Field(ge=0)] = 3
    """So many of the older sweeps' best configurations run again."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Of the sampler."""

    @property
    def older_sweeps(self) -> list[str]:
        """The sweeps that teach this one, the newest first."""
        named = self.warm_start
        return [named] if isinstance(named, str) else list(named or [])

    @model_validator(mode="after")
    def _first_trials_fit_in(self) -> Self:
        if self.try_first and len(self.try_first) >= self.trials:
            raise broken_rule(
                "search.trials must hold the control trial and all of try_first, "
                f"got {len(self.try_first)} + 1 for {self.trials}",
                "try_first",
                "trials",
            )
        return self

    @model_validator(mode="after")
    def _full_trials_are_trials(self) -> Self:
        if self.full_trials > self.trials:
            raise broken_rule(
                f"must be at most search.trials, got {self.full_trials} of {self.trials}",
                "full_trials",
                "trials",
            )
        return self

    @model_validator(mode="after")
    def _a_second_generation_begins(self) -> Self:
        sampler = self.sampler
        if isinstance(sampler, NsgaiiConfig) and sampler.population_size >= self.trials:
            raise broken_rule(
                "nsgaii draws its first generation at random, so population_size must be below "
                f"search.trials, got {sampler.population_size} for {self.trials}",
                "sampler.population_size",
                "trials",
                "sampler",
            )
        return self

    @model_validator(mode="after")
    def _a_grid_is_not_taught(self) -> Self:
        if self.sampler.type == "grid" and self.older_sweeps:
            raise broken_rule(
                "a grid learns nothing and tries only its own points, so another sweep cannot "
                f"help it, got {', '.join(self.older_sweeps)}; use search.try_first",
                "warm_start",
                "sampler",
            )
        return self
