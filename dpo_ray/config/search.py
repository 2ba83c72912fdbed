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
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Of the sampler."""
