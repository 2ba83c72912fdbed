"""The paper's quantities, worked by hand on four pairs."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dpo_ray.evaluation.logps import PairLogps
from dpo_ray.evaluation.rewards import (
    UNWEIGHTED,
    Lengths,
    accuracies,
    dpo_losses,
    dpo_weights,
    effective_share,
    example_weights,
    log_ratios,
    pair_metrics,
    reward_margins,
)

BETA = 0.5
POLICY = PairLogps(
    chosen=torch.tensor([-10.0, -8.0, -12.0, -11.0]),
    rejected=torch.tensor([-12.0, -13.0, -15.0, -10.0]),
)
REFERENCE = PairLogps(chosen=torch.full((4,), -10.0), rejected=torch.full((4,), -12.0))
# Pairs: untrained; chosen rose and rejected fell; both fell; prefers the rejected answer.
L_CHOSEN = [0.0, 2.0, -2.0, -1.0]
L_REJECTED = [0.0, -1.0, -3.0, 2.0]
MARGINS = [0.0, 1.5, 0.5, -1.5]
LOSSES = [math.log(2), math.log1p(math.exp(-1.5)), math.log1p(math.exp(-0.5)), 1.7014133]
WEIGHTS = [0.5, 0.1824255, 0.3775407, 0.8175745]
LENGTHS = Lengths(torch.tensor([10, 8, 4, 5]), torch.tensor([5, 4, 6, 8]))
PER_TOKEN = [0.0, 2 / 8 + 1 / 4, -2 / 4 + 3 / 6, -1 / 5 - 2 / 8]
ACCURACIES = [0.5, 1.0, 1.0, 0.0]

nats = st.floats(-500, 500)
log_probabilities = st.lists(st.tuples(nats, nats), min_size=1, max_size=8).map(
    lambda pairs: PairLogps(*torch.tensor(pairs, dtype=torch.float64).T)
)


@pytest.fixture
def ratios() -> PairLogps:
    return log_ratios(POLICY, REFERENCE)


def test_log_ratios_say_how_far_each_completion_moved(ratios):
    assert ratios.chosen.tolist() == L_CHOSEN
    assert ratios.rejected.tolist() == L_REJECTED


@pytest.mark.parametrize(
    ("quantity", "by_hand"),
    [(reward_margins, MARGINS), (dpo_losses, LOSSES), (dpo_weights, WEIGHTS)],
)
def test_what_depends_on_beta_is_as_worked_by_hand(ratios, quantity, by_hand):
    assert quantity(ratios, BETA).tolist() == pytest.approx(by_hand, abs=1e-6)


def test_an_undecided_policy_is_half_right(ratios):
    assert accuracies(ratios).tolist() == ACCURACIES


def test_metrics_are_the_means_over_pairs():
    assert pair_metrics(POLICY, REFERENCE, BETA, LENGTHS) == pytest.approx(
        {
            "loss": sum(LOSSES) / 4,
            "rewards/chosen": -0.125,
            "rewards/rejected": -0.25,
            "rewards/margins": 0.125,
            "logratio_margin": 0.25,
            "logratio_margin_per_token": sum(PER_TOKEN) / 4,
            "logratio/chosen": -0.25,
            "logratio/rejected": -0.5,
            "logps/chosen": -10.25,
            "logps/rejected": -12.5,
            "accuracy": 0.625,
            "dpo_weight/mean": sum(WEIGHTS) / 4,
            "dpo_weight/saturated": 0.0,
            "dpo_weight/effective_sample_size": sum(WEIGHTS) ** 2 / sum(w * w for w in WEIGHTS) / 4,
            "displacement/chosen_falling": 0.5,
            "displacement/both_falling": 0.25,
        },
        abs=1e-6,
    )


@pytest.mark.parametrize("beta", [0.01, 0.1, 5.0])
def test_an_untrained_policy_has_margin_0_loss_ln_2_and_weight_one_half(beta):
    untrained = log_ratios(REFERENCE, REFERENCE)
    assert reward_margins(untrained, beta).tolist() == [0.0] * 4
    assert dpo_losses(untrained, beta).tolist() == pytest.approx([math.log(2)] * 4, abs=1e-7)
    assert dpo_weights(untrained, beta).tolist() == [0.5] * 4


@settings(deadline=None, max_examples=50)
@given(log_probabilities, st.floats(1e-3, 10), st.floats(1, 100))
def test_at_fixed_weights_the_margin_grows_with_beta_and_nothing_else_moves(ratios, beta, factor):
    margins = reward_margins(ratios, beta)
    torch.testing.assert_close(reward_margins(ratios, factor * beta), factor * margins)
    torch.testing.assert_close(margins / beta, ratios.chosen - ratios.rejected)


@settings(deadline=None, max_examples=50)
@given(log_probabilities, st.floats(1e-3, 10))
def test_the_weight_is_what_the_losss_gradient_carries(ratios, beta):
    chosen = ratios.chosen.clone().requires_grad_()
    dpo_losses(PairLogps(chosen, ratios.rejected), beta).sum().backward()
    torch.testing.assert_close(chosen.grad, -beta * dpo_weights(ratios, beta))


@settings(deadline=None, max_examples=50)
@given(log_probabilities)
def test_the_two_log_ratios_differ_by_the_margin_that_is_free_of_beta(policy):
    zero = PairLogps(torch.zeros_like(policy.chosen), torch.zeros_like(policy.rejected))
    ones = Lengths(torch.ones_like(policy.chosen), torch.ones_like(policy.rejected))
    metrics = pair_metrics(policy, zero, 0.1, ones)
    gap = metrics["logratio/chosen"] - metrics["logratio/rejected"]
    assert metrics["logratio_margin"] == pytest.approx(gap, abs=1e-9)
    assert metrics["rewards/margins"] == pytest.approx(0.1 * gap, abs=1e-9)


def test_swapping_the_answers_turns_margins_and_accuracies_round(ratios):
    swapped = PairLogps(ratios.rejected, ratios.chosen)
    assert torch.equal(reward_margins(swapped, BETA), -reward_margins(ratios, BETA))
    assert torch.equal(accuracies(swapped), 1 - accuracies(ratios))


@pytest.mark.parametrize(
    ("loss_type", "weights"),
    [
        ("sigmoid", WEIGHTS),
        ("hinge", [1.0, 0.0, 1.0, 1.0]),  # beta * D = 1.5 is past the hinge
        (UNWEIGHTED, [1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_a_pair_weighs_as_its_loss_says(ratios, loss_type, weights):
    assert example_weights(ratios, BETA, loss_type).tolist() == pytest.approx(weights, abs=1e-6)


def test_the_effective_share_counts_the_pairs_that_teach():
    assert effective_share(torch.tensor([0.5, 0.5, 0.5, 0.5])) == pytest.approx(1.0)
    assert effective_share(torch.tensor([1.0, 0.0, 0.0, 0.0])) == pytest.approx(0.25)
    assert effective_share(torch.zeros(4)) == 0.0


def test_a_satisfied_pair_is_saturated():
    far = PairLogps(torch.tensor([10.0, 0.0]), torch.tensor([-10.0, 0.0]))
    none = PairLogps(torch.zeros(2), torch.zeros(2))
    lengths = Lengths(torch.ones(2), torch.ones(2))
    # sigma(-0.1 * 20) is 0.12, sigma(-0.5 * 20) is 4.5e-5
    assert pair_metrics(far, none, 0.1, lengths)["dpo_weight/saturated"] == 0.0
    assert pair_metrics(far, none, 0.5, lengths)["dpo_weight/saturated"] == 0.5
