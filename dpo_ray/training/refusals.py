"""What ends a trial at once: numbers that are none, and a policy not worth going on with."""

import math
from collections.abc import Mapping
from typing import Any

import torch

from dpo_ray.config.evaluation import LimitsConfig
from dpo_ray.evaluation.degeneration import broken, mean

Metrics = dict[str, float]


class NonFinite(ArithmeticError):
    """Loss, gradients, weights or metrics are NaN or infinite: the trial has failed."""


class BeyondLimits(ValueError):
    """The policy is beyond a limit of the evaluation: the trial has failed.

    `metrics` is the evaluation that says so.
    """

    def __init__(self, reason: str, metrics: Metrics) -> None:
        super().__init__(reason)
        self.metrics = metrics


def refuse_non_finite(metrics: Mapping[str, float], step: int) -> None:
    """Raise NonFinite if a metric of this step is NaN or infinite."""
    bad = {name: value for name, value in metrics.items() if not math.isfinite(value)}
    if bad:
        name, value = next(iter(bad.items()))
        raise NonFinite(f"non-finite at step {step}: {name} is {value}")


def refuse_non_finite_weights(model: Any, step: int) -> None:
    """Raise NonFinite if a trained weight is NaN or infinite."""
    trained = (each for each in model.named_parameters() if each[1].requires_grad)
    for name, parameter in trained:
        if not bool(torch.isfinite(parameter).all()):
            raise NonFinite(f"non-finite at step {step}: weights of {name}")


def refuse_broken_text(
    metrics: Metrics, reference: Mapping[str, float], limits: LimitsConfig, step: int
) -> None:
    """Raise BeyondLimits if what the policy writes is degenerate."""
    plain = {name.removeprefix("eval/"): value for name, value in metrics.items()}
    said = broken(plain, reference, limits)
    if said is not None:
        raise BeyondLimits(f"degenerate at step {step}: {said}", metrics)


def refuse_stillness(
    gaps: list[float], metrics: Metrics, limits: LimitsConfig, step: int, warm_up: float
) -> None:
    """Raise BeyondLimits if the policy is still its reference after `warm_up` steps.

    The Trainer rounds them up, and its first step of a warm-up has a learning rate of 0.

    `gaps` is D of every evaluated pair, nats. In bfloat16 rounding alone may move D by far
    more than the default limit, so that there only a larger one says anything.
    """
    moved, least = mean([abs(gap) for gap in gaps]), limits.min_movement
    if least is not None and step > math.ceil(warm_up) and moved < least:
        raise BeyondLimits(
            f"no movement: at step {step} mean |D| is {moved:.2g} nats from the reference; the "
            f"smallest allowed is evaluation.limits.min_movement={least:g}",
            metrics,
        )
