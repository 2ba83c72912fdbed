"""Implicit rewards: how far DPO has moved the policy away from its reference.

Symbols (Rafailov et al. 2023, arXiv 2305.18290): l(y) = log pi(y|x) - log pi_ref(y|x), nats;
D = l(y_w) - l(y_l); r(x, y) = beta * l(y).
"""

from torch import Tensor
from torch.nn import functional

from dpo_ray.evaluation.logps import PairLogps


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


def accuracies(ratios: PairLogps) -> Tensor:
    """Return 1 where D > 0, 0 where D < 0 and one half where the policy is undecided."""
    gap = ratios.chosen - ratios.rejected
    return (gap.sign() + 1) / 2


def pair_metrics(policy: PairLogps, reference: PairLogps, beta: float) -> dict[str, float]:
    """Return the means over pairs, under TRL's names where the meaning is the same."""
    ratios = log_ratios(policy, reference)
    falling = (ratios.chosen < 0) & (ratios.rejected < 0)
    means = {
        "loss": dpo_losses(ratios, beta),
        "rewards/chosen": beta * ratios.chosen,
        "rewards/rejected": beta * ratios.rejected,
        "rewards/margins": reward_margins(ratios, beta),
        "logratio_margin": ratios.chosen - ratios.rejected,
        "logratio/chosen": ratios.chosen,
        "logratio/rejected": ratios.rejected,
        "logps/chosen": policy.chosen,
        "logps/rejected": policy.rejected,
        "accuracy": accuracies(ratios),
        "dpo_weight/mean": dpo_weights(ratios, beta),
        "displacement/both_falling": falling.float(),
    }
    return {name: values.double().mean().item() for name, values in means.items()}
