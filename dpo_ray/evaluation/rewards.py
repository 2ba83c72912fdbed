"""Implicit rewards: how far DPO has moved the policy away from its reference.

Symbols (Rafailov et al. 2023, arXiv 2305.18290): l(y) = log pi(y|x) - log pi_ref(y|x), nats;
D = l(y_w) - l(y_l); r(x, y) = beta * l(y).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from dpo_ray.evaluation.logps import PairLogps
from dpo_ray.evaluation.saturation import SATURATED

UNWEIGHTED = "unweighted"
"""Stands for the loss type of a training whose pairs all count alike."""


def log_ratios(policy: PairLogps, reference: PairLogps) -> PairLogps:
    """Return l(y_w) and l(y_l) of each pair."""
    return PairLogps(policy.chosen - reference.chosen, policy.rejected - reference.rejected)


def reward_margins(ratios: PairLogps, beta: float) -> Tensor:
    """Return r(y_w) - r(y_l) = beta * D for each pair. Section 4 of the paper.

    Grows with beta by definition: rank trials that differ in beta by win rate, never by this.
    """
    return beta * (ratios.chosen - ratios.rejected)


def dpo_losses(ratios: PairLogps, beta: float) -> Tensor:
    """Return -log sigma(beta * D) for each pair, equation 7; ln 2 for an untrained policy."""
    return -functional.logsigmoid(reward_margins(ratios, beta))


def dpo_weights(ratios: PairLogps, beta: float) -> Tensor:
    """Return w = sigma(-beta * D): the gradient's weight, large where the policy is wrong."""
    return (-reward_margins(ratios, beta)).sigmoid()


def example_weights(ratios: PairLogps, beta: float, loss_type: str) -> Tensor:
    """Return how much each pair's gradient counts, in units of beta.

    Sigmoid: `dpo_weights`. Hinge, max(0, 1 - beta * D): 1 where it is active, else 0. UNWEIGHTED:
    1. For other losses, whose gradients have other forms, the sigmoid's, which says how wrong the
    implicit reward is.
    """
    if loss_type == UNWEIGHTED:
        return torch.ones_like(ratios.chosen)
    if loss_type == "hinge":
        return (reward_margins(ratios, beta) < 1).float()
    return dpo_weights(ratios, beta)


def effective_share(weights: Tensor) -> float:
    """Return (sum w)^2 / sum w^2 as a share of the number of weights: 1 where all are equal."""
    squares = (weights.double() ** 2).sum()
    return float(weights.double().sum() ** 2 / squares / len(weights)) if squares > 0 else 0.0


def accuracies(ratios: PairLogps) -> Tensor:
    """Return 1 where D > 0, 0 where D < 0 and one half where the policy is undecided."""
    gap = ratios.chosen - ratios.rejected
    return (gap.sign() + 1) / 2


@dataclass(frozen=True)
class Lengths:
    """Completion tokens of each pair. Shape: (pairs,)."""

    chosen: Tensor
    rejected: Tensor


def pair_metrics(
    policy: PairLogps,
    reference: PairLogps,
    beta: float,
    lengths: Lengths,
    loss_type: str = "sigmoid",
) -> dict[str, float]:
    """Return the means over pairs, under TRL's names where the meaning is the same."""
    ratios = log_ratios(policy, reference)
    falling = (ratios.chosen < 0) & (ratios.rejected < 0)
    weights = example_weights(ratios, beta, loss_type)
    means = {
        "loss": dpo_losses(ratios, beta),
        "rewards/chosen": beta * ratios.chosen,
        "rewards/rejected": beta * ratios.rejected,
        "rewards/margins": reward_margins(ratios, beta),
        "logratio_margin": ratios.chosen - ratios.rejected,
        "logratio_margin_per_token": ratios.chosen / lengths.chosen
        - ratios.rejected / lengths.rejected,
        "logratio/chosen": ratios.chosen,
        "logratio/rejected": ratios.rejected,
        "logps/chosen": policy.chosen,
        "logps/rejected": policy.rejected,
        "accuracy": accuracies(ratios),
        "dpo_weight/mean": weights,
        "dpo_weight/saturated": (weights < SATURATED).float(),
        "displacement/chosen_falling": (ratios.chosen < 0).float(),
        "displacement/both_falling": falling.float(),
    }
    found = {name: values.double().mean().item() for name, values in means.items()}
    return found | {"dpo_weight/effective_sample_size": effective_share(weights)}
