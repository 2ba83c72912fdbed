"""The pull of length is taken out as maximum likelihood says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit

from dpo_ray.evaluation.length_control import length_controlled_win_rate


def by_brute_force(outcomes, lengths, baselines) -> float:
    """Minimise the two-parameter cross-entropy directly, from several starts."""
    y, gap = np.array(outcomes), np.array(lengths, float) - np.array(baselines, float)
    term = np.tanh(gap / gap.std())

    def loss(parameters):
        p = np.clip(expit(parameters[0] + parameters[1] * term), 1e-12, 1 - 1e-12)
        return -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum()

    fits = [
        minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12})
        for start in ([0, 0], [1, 1], [-1, 1])
    ]
    return float(expit(min(fits, key=lambda fit: fit.fun).x[0]))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("bias", [-1.0, 0.0, 2.0])
def test_it_is_the_maximum_likelihood_estimate(seed, bias):
    rng = np.random.default_rng(seed)
    lengths, baselines = rng.integers(5, 40, 400), rng.integers(5, 40, 400)
    gap = lengths - baselines
    p = expit(0.3 + bias * np.tanh(gap / gap.std()))
    outcomes = rng.choice([1.0, 0.5, 0.0], size=400, p=[0.45, 0.1, 0.45])
    outcomes[:300] = (rng.uniform(size=300) < p[:300]).astype(float)
    found = length_controlled_win_rate(outcomes, lengths, baselines)
    assert found == pytest.approx(by_brute_force(outcomes, lengths, baselines), abs=2e-3)


def test_winning_by_length_alone_is_no_winning():
    rng = np.random.default_rng(1)
    lengths, baselines = rng.integers(25, 45, 1000), rng.integers(5, 25, 1000) + 10
    gap = lengths - baselines
    outcomes = (rng.uniform(size=1000) < expit(2 * np.tanh(gap / gap.std()))).astype(float)
    raw, controlled = outcomes.mean(), length_controlled_win_rate(outcomes, lengths, baselines)
    assert raw > 0.65
    assert abs(controlled - 0.5) < 0.08


def test_equal_lengths_or_equal_outcomes_leave_the_plain_rate():
    assert length_controlled_win_rate([1.0, 0.0, 1.0, 0.5], [7] * 4, [7] * 4) == 0.625
    assert length_controlled_win_rate([1.0] * 3, [1, 2, 3], [3, 3, 3]) == 1.0


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.integers(1, 60), st.integers(1, 60)),
        min_size=2,
        max_size=30,
    )
)
def test_it_is_always_a_share(rows):
    outcomes, ours, theirs = zip(*rows, strict=True)
    assert 0 <= length_controlled_win_rate(outcomes, ours, theirs) <= 1
