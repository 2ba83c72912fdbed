"""When a trial is stopped before its last step."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from dpo_ray.config.rules import STRICT


class SchedulerConfig(BaseModel):
    """When a trial is stopped before its last step."""

    model_config = STRICT

    type: Literal["asha", "median", "none"] = "asha"
    """asha: at each rung only the better part goes on; median: only who is not worse than the
    median of the others there; none: every trial runs to its end."""
    reduction_factor: Annotated[int, Field(ge=2)] = 2
    """Of so many trials at a rung, one goes on."""
    metric: str | None = None
    """An `eval/` metric without the prefix by which rungs decide; not set: the first objective."""
    grace_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.25
    """Rungs before this share of a trial's steps stop nobody."""
    grace_trials: Annotated[int, Field(ge=1)] = 4
    """So many trials pass a rung before it stops any: fewer say little about what is good."""
