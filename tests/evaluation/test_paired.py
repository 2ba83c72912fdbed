"""An interval over seeds and prompts covers the truth as often as it says."""

import math

import numpy as np
import pytest

from dpo_ray.evaluation import paired
from dpo_ray.evaluation.paired import difference, estimate, holm, seed_effects

SEEDS, PROMPTS = 3, 300


def test_the_mean_is_of_all_answers_and_missing_prompts_are_left_out_everywhere():
    values = np.array([[1.0, 0.0, np.nan, 0.5], [1.0, 0.5, 1.0, 0.5]])
    assert estimate(values).value == pytest.approx((1.0 + 0.25 + 0.5) / 3)


def test_nothing_judged_is_no_number():
    with pytest.raises(ValueError, match="no prompt was judged"):
        estimate(np.array([[np.nan], [1.0]]))


def test_equal_answers_leave_no_doubt():
    even = estimate(np.full((3, 50), 0.5))
    assert (even.value, even.low, even.high, even.error) == (0.5, 0.5, 0.5, 0.0)
    nothing = difference(np.full((3, 50), 0.5), np.full((3, 50), 0.5))
    assert (nothing.value, nothing.p) == (0.0, 1.0)


def test_a_paired_difference_is_surer_than_two_separate_means():
    rng = np.random.default_rng(3)
    hard = rng.normal(0.5, 0.3, (1, PROMPTS))  # what both find hard cancels
    ours, theirs = (hard + rng.normal(shift, 0.05, (SEEDS, PROMPTS)) for shift in (0.02, 0.0))
    apart, own = difference(ours, theirs), estimate(ours)
    assert apart.low > 0
    assert apart.high - apart.low < (own.high - own.low) / 4


def test_seeds_that_differ_no_more_than_their_prompts_explain_have_no_effect():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 1, (SEEDS, PROMPTS))
    noise -= noise.mean(axis=1, keepdims=True)
    assert seed_effects(noise) == pytest.approx(np.zeros(SEEDS))


def test_seeds_that_differ_widen_the_interval():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.5, (SEEDS, PROMPTS))
    apart = noise + np.array([[-0.2], [0.0], [0.2]])
    assert np.var(seed_effects(apart)) == pytest.approx(0.04, rel=0.2)
    assert estimate(apart).error > 2 * estimate(noise).error


def test_holm_holds_the_smallest_p_to_the_strictest_level():
    adjusted = holm([0.04, 0.01, 0.03])
    assert [p for p, _ in adjusted] == pytest.approx([0.06, 0.03, 0.06])
    assert [level for _, level in adjusted] == pytest.approx([0.95, 1 - 0.05 / 3, 1 - 0.05 / 2])
    assert holm([]) == []
    assert [p for p, _ in holm([0.9, 0.8])] == [1.0, 1.0]


@pytest.mark.slow
@pytest.mark.parametrize("seed_sd", [0.0, 0.01])
def test_nineteen_intervals_in_twenty_hold_the_truth(seed_sd, monkeypatch):
    """2,000 confirmations of wins and losses; a seed may shift a win rate by a point or so."""
    monkeypatch.setattr(paired, "RESAMPLES", 600)
    rng, held, runs = np.random.default_rng(5), 0, 2_000
    ease = rng.normal(0, 0.25, (runs, 1, PROMPTS))
    shift = rng.normal(0, seed_sd, (runs, SEEDS, 1))
    won = (rng.uniform(size=(runs, SEEDS, PROMPTS)) < np.clip(0.5 + ease + shift, 0, 1)).astype(
        float
    )
    for values in won:
        found = estimate(values)
        held += found.low <= 0.5 <= found.high
    assert 0.93 <= held / runs <= 0.97
    assert math.isclose(float(won.mean()), 0.5, abs_tol=0.01)
