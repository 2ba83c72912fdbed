"""When the sweep gives up, or stops starting trials."""

from typing import Annotated

from pydantic import BaseModel, Field

from dpo_ray.config.rules import STRICT


class BudgetConfig(BaseModel):
    """What a sweep may cost: all its runs together, a resumed one included."""

    model_config = STRICT

    hours: Annotated[float, Field(gt=0)] | None = None
    """Wall hours. No trial starts that would not end in time, and what confirmation will cost is
    kept free; not set: no limit."""
    gpu_hours: Annotated[float, Field(gt=0)] | None = None
    """Hours times the GPUs its slots hold."""
    grace_minutes: Annotated[float, Field(ge=0)] = 5.0
    """So long after the budget's end running trials may still take to end by themselves."""
    failures: Annotated[int, Field(ge=1)] = 5
    """Failed trials that end the sweep; those that evaluation.limits failed do not count."""
    failures_in_a_row: Annotated[int, Field(ge=1)] | None = None
    """As many one after another end it, too; not set: only their number counts."""
    retries: Annotated[int, Field(ge=0, le=20)] = 1
    """So often a trial whose workers died goes on from its last checkpoint; then it has failed."""
    trial_minutes: Annotated[float, Field(gt=0)] | None = None
    """A trial that takes longer fails as a timeout."""
    silent_minutes: Annotated[float, Field(gt=0)] = 30.0
    """A trial without any sign of progress for so long hangs: it fails, and its workers are
    started anew. Set it above the longest evaluation."""
