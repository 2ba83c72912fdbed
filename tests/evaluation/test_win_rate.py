"""A share of wins, and an interval that covers the truth as often as it says."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dpo_ray.evaluation.judging import outcome_of
from dpo_ray.evaluation.win_rate import win_rate


@pytest.mark.parametrize(
    ("ours", "theirs", "tie", "outcome"),
    [
        (0.5, 0.25, 0.125, 1.0),
        (0.25, 0.5, 0.125, 0.0),
        (0.5, 0.375, 0.125, 0.5),  # on the threshold
        (0.375, 0.5, 0.125, 0.5),
        (0.5, 0.5, 0.0, 0.5),
        (0.5, 0.499, 0.0, 1.0),
    ],
)
def test_a_difference_up_to_the_threshold_is_a_tie(ours, theirs, tie, outcome):
    assert outcome_of(ours, theirs, tie) == outcome


def wilson(wins: int, count: int) -> tuple[float, float]:
    """Wilson 1927, with the 97.5th percentile of the normal distribution."""
    z, p = 1.959963984540054, wins / count
    centre = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(p * (1 - p) / count + z * z / (4 * count**2))
    return centre - half, centre + half


@pytest.mark.parametrize(("wins", "count"), [(70, 128), (0, 128), (128, 128), (1, 2), (1, 1)])
def test_without_ties_the_interval_is_wilsons(wins, count):
    rate = win_rate([1.0] * wins + [0.0] * (count - wins))
    assert rate.value == wins / count
    assert (rate.low, rate.high) == pytest.approx(wilson(wins, count), abs=1e-12)


def test_an_untried_policy_that_always_wins_is_not_sure_to_win():
    assert win_rate([1.0] * 20).low == pytest.approx(0.8389, abs=1e-4)


def test_ties_count_one_half_and_narrow_the_interval():
    with_ties = win_rate([1.0] * 30 + [0.0] * 30 + [0.5] * 60)
    without = win_rate([1.0] * 60 + [0.0] * 60)
    assert with_ties.value == without.value == 0.5
    # The variance of an outcome is 1/8 with these ties, and 1/4 without.
    half = 1.96 * math.sqrt(0.125 / 120)
    assert with_ties.low == pytest.approx(0.5 - half, abs=0.01)
    assert with_ties.high == pytest.approx(0.5 + half, abs=0.01)
    assert with_ties.high - with_ties.low < without.high - without.low


def test_the_same_outcomes_always_have_the_same_interval():
    results = [1.0, 0.0, 0.5] * 20
    assert win_rate(results) == win_rate(results)


def test_all_ties_are_even_with_the_width_of_as_many_coin_tosses():
    rate = win_rate([0.5] * 100)
    assert rate.value == 0.5
    assert (rate.low, rate.high) == pytest.approx(wilson(50, 100))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=2, max_size=60))
def test_the_interval_holds_the_share_and_stays_among_shares(results):
    rate = win_rate(results)
    assert 0 <= rate.low <= rate.value + 1e-12
    assert rate.value - 1e-12 <= rate.high <= 1


@pytest.mark.parametrize(
    ("wins", "ties", "runs"),
    [
        (0.55, 0.0, 2_000),
        # Each run resamples 2,000 times, so there are fewer of them.
        (0.45, 0.2, 300),
    ],
)
def test_nineteen_intervals_in_twenty_hold_the_truth(wins, ties, runs):
    draws = np.random.default_rng(0).choice(
        [1.0, 0.5, 0.0], p=[wins, ties, 1 - wins - ties], size=(runs, 128)
    )
    rates = [win_rate(run) for run in draws]
    truth = wins + ties / 2
    covered = sum(rate.low <= truth <= rate.high for rate in rates) / runs
    assert 0.93 <= covered <= 0.97
