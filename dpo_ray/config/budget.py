"""When a sweep gives up."""

from typing import Annotated

from pydantic import BaseModel, Field

from dpo_ray.config.rules import STRICT


class BudgetConfig(BaseModel):
    """When the sweep gives up."""

    model_config = STRICT

    failures: Annotated[int, Field(ge=1)] = 5
    """Failed trials that end the sweep; those that evaluation.limits failed do not count."""
