"""What each metric is called on an axis, and its unit: one table for all charts of the page."""

from collections.abc import Sequence
from typing import Any

from dpo_ray.report.page.axes import words_of
from dpo_ray.tracking.state import SweepState

UNITS = {
    "win_rate": "share of prompts",
    "win_rate_length_controlled": "share of prompts",
    "gold_reward": "mean over prompts",
    "score": "mean over prompts",
    "kl": "nats per completion",
    "accuracy": "share of pairs",
    "logratio_margin": "nats, mean over pairs",
    "rewards/margins": "beta x nats, mean over pairs",
    "loss": "mean over pairs",
}
"""By metric; a further judge's `NAME/win_rate` and `NAME/score` have those of the last part. A
judge's score is in units of its own."""
IN_NATS = ("sigmoid", "sigmoid_norm", "sft")
"""Losses that are minus a log-probability."""


def titled(metric: str) -> str:
    """`KL, nats per completion`; `mean` where nobody knows the unit."""
    unit = UNITS.get(metric) or UNITS.get(metric.rpartition("/")[2], "mean")
    return f"{words_of(metric)}, {unit}"


def objective_titled(state: SweepState) -> str:
    """The same of what trials are ranked by, from which a penalty may be taken off."""
    name, unit = titled(state.objective[0]).split(", ", 1)
    less = ", penalty taken off" if state.objectives[0].get("penalty") else ""
    return f"{name}{less}, {unit}"


def loss_titled(state: SweepState, key: str) -> str:
    """The title of TRL's loss; only where every trial's loss is a logarithm it is in nats."""
    nats = set(_values(state, "loss_type", "sigmoid")) <= {*IN_NATS}
    weighted = set(_values(state, "example_weight", True)) == {True}
    unit = "nats per pair" if nats and weighted else "each loss in its own unit"
    return f"loss (TRL's {key}), {unit}"


def _values(state: SweepState, name: str, default: object) -> Sequence[Any]:
    """Return all values that trials may have of a field, searched or fixed."""
    searched = state.parameters.get(name, {})
    if "choices" in searched:
        return list(searched["choices"])
    plan = state.plan.plan if state.plan else {}
    return [plan.get("sweep", {}).get("training", {}).get(name, default)]
