"""What a budget still allows: values, decided from what was spent and what a trial costs."""

from dataclasses import dataclass
from math import inf

from dpo_ray.config.budget import BudgetConfig
from dpo_ray.config.confirm import ConfirmConfig


@dataclass(frozen=True)
class Spent:
    """What all processes of a sweep have used so far.

    Attributes:
        gpus: how many its slots hold now.
    """

    wall_s: float
    gpu_s: float
    gpus: float


@dataclass(frozen=True)
class Expected:
    """What things will take, seconds.

    Attributes:
        trial_s: a trial that runs to its end; None before anything is known.
        confirm_s: the whole confirmation.
    """

    trial_s: float | None
    confirm_s: float


def seconds_left(budget: BudgetConfig, spent: Spent) -> float:
    """Return for how long the sweep may go on: the nearer of both limits, inf without one."""
    left = inf if budget.hours is None else 3600 * budget.hours - spent.wall_s
    if budget.gpu_hours is not None and spent.gpus > 0:
        left = min(left, (3600 * budget.gpu_hours - spent.gpu_s) / spent.gpus)
    return left


def may_start(budget: BudgetConfig, left_s: float, expected: Expected) -> bool:
    """Whether a new trial would end in time: within the budget less the confirmation's part, or
    the grace after it."""
    free = left_s - expected.confirm_s
    return free > 0 and (expected.trial_s or 0.0) <= free + 60 * budget.grace_minutes


def is_spent(budget: BudgetConfig, left_s: float, reserved_s: float = 0.0) -> bool:
    """Whether even the grace is over, and what runs must be cancelled."""
    return left_s - reserved_s + 60 * budget.grace_minutes <= 0


def confirmation_seconds(confirm: ConfirmConfig | None, trial_s: float | None, slots: int) -> float:
    """Return what the confirmation will take: its trainings in turns on the slots.

    Each is one whole trial at most: evaluated once, and often stopped earlier.
    """
    if confirm is None or trial_s is None:
        return 0.0
    trainings = confirm.seeds * (confirm.top + 1)
    return -(-trainings // slots) * trial_s


def spent_sentence(budget: BudgetConfig, spent: Spent) -> str:
    """Say which limit was reached, for people."""
    hours = f"{spent.wall_s / 3600:.3g} of budget.hours={budget.hours:g}" if budget.hours else ""
    gpu = (
        f"{spent.gpu_s / 3600:.3g} of budget.gpu_hours={budget.gpu_hours:g}"
        if budget.gpu_hours
        else ""
    )
    return " and ".join(part for part in (hours, gpu) if part)
