"""How configurations are chosen."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from dpo_ray.config.rules import STRICT
from dpo_ray.config.scheduler import SchedulerConfig


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
    try_first: list[dict[str, str | int | float | bool]] = []
    """Configurations that run right after the control trial, each a map of searched fields."""
    full_trials: Annotated[int, Field(ge=0)] = 0
    """So many trials, spread over the search, run to their end whatever a rung says: they show
    whether early rungs foretell the end."""
    warm_start: Annotated[str, Field(min_length=1)] | None = None
    """Name of another sweep of this store: its finished trials teach the sampler, and its best
    run early in this one."""
    warm_configs: Annotated[int, Field(ge=0)] = 3
    """So many of the older sweep's best configurations run again."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Of the sampler."""
