"""Objectives, fronts and picks, each against a slow and obvious way to say the same."""

from math import inf, isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpo_ray.tracking.objective import (
    goodness,
    objective_value,
    one_standard_error_pick,
    pareto_front,
    standard_error,
)

NUMBER = st.floats(-10, 10, allow_nan=False).map(lambda value: round(value, 1))
POINTS = st.lists(st.tuples(NUMBER, NUMBER), max_size=25)
PENALISED = {"metric": "win_rate", "penalty": {"metric": "kl", "budget": 2.0, "weight": 0.1}}


def dominated(point, points):
    """Whether some other point is at least as good in both and better in one."""
    return any(
        a >= point[0] and b >= point[1] and (a > point[0] or b > point[1]) for a, b in points
    )


@given(POINTS)
def test_the_front_is_what_no_other_point_dominates(points):
    front = pareto_front(points)
    assert sorted(front) == [i for i, each in enumerate(points) if not dominated(each, points)]
    firsts = [points[i][0] for i in front]
    assert firsts == sorted(firsts, reverse=True)


@given(st.lists(st.tuples(NUMBER, st.floats(0, 3), NUMBER), min_size=1, max_size=20))
def test_the_pick_is_the_nearest_within_one_standard_error_of_the_best(rows):
    quality, errors, distance = (list(column) for column in zip(*rows, strict=True))
    pick = one_standard_error_pick(quality, errors, distance)
    best = max(quality)
    mark = best - errors[quality.index(best)]
    assert quality[pick] >= mark
    assert distance[pick] == min(d for q, d in zip(quality, distance, strict=True) if q >= mark)


@given(st.floats(0, 1), st.floats(0, 50))
def test_the_penalty_costs_only_what_lies_beyond_the_budget(rate, kl):
    value = objective_value({"eval/win_rate": rate, "eval/kl": kl}, PENALISED)
    assert value == pytest.approx(rate - 0.1 * max(0.0, kl - 2.0))
    assert value <= rate


def test_a_penalty_without_its_metric_leaves_nothing():
    assert isnan(objective_value({"eval/win_rate": 0.9}, PENALISED))
    assert isnan(objective_value({"eval/win_rate": 0.9, "eval/kl": nan}, PENALISED))
    assert isnan(objective_value({}, {"metric": "win_rate"}))


@pytest.mark.parametrize(
    ("metrics", "objective", "good"),
    [
        ({"eval/kl": 3.0}, {"metric": "kl", "direction": "minimize"}, -3.0),
        ({"eval/win_rate": 0.7}, {"metric": "win_rate", "direction": "maximize"}, 0.7),
        ({"eval/win_rate": nan}, {"metric": "win_rate"}, -inf),
        ({"eval/strict/score": 1.5}, {"metric": "strict/score"}, 1.5),
    ],
)
def test_larger_is_better_after_turning(metrics, objective, good):
    assert goodness(metrics, objective) == good


def test_the_standard_error_is_read_from_the_interval():
    metrics = {"eval/win_rate_low": 0.6, "eval/win_rate_high": 0.6 + 2 * 1.959963984540054 * 0.04}
    assert standard_error(metrics, {"metric": "win_rate"}) == pytest.approx(0.04)
    assert standard_error(metrics, {"metric": "gold_reward"}) == 0.0
