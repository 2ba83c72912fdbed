"""Early stopping as a pure decision: who is spared, who is stopped, and why."""

import pytest

from dpo_ray.config.scheduler import SchedulerConfig
from dpo_ray.search.rungs import Rule, decide, full_trials


def rule(higher=True, full=frozenset(), **settings):
    settings = {"grace_trials": 1, "grace_fraction": 0.0} | settings
    return Rule(SchedulerConfig(**settings), higher, "win_rate", full)


def passed(*values):
    """Trials of one rung each."""
    return [[value] for value in values]


def test_asha_stops_what_is_below_the_median_of_the_others():
    assert decide(rule(), 4, 0.25, [0.69], passed(0.5, 0.7, 0.9)).stop
    found = decide(rule(), 4, 0.25, [0.7], passed(0.5, 0.7, 0.9))
    assert not found.stop
    assert found.reason == "win_rate 0.700, cutoff 0.700 after 3 trials"


def test_a_higher_reduction_factor_keeps_fewer():
    others = passed(*(number / 10 for number in range(1, 9)))
    assert decide(rule(reduction_factor=4), 9, 0.25, [0.6], others).stop
    assert not decide(rule(reduction_factor=4), 9, 0.25, [0.85], others).stop


def test_a_minimised_metric_stops_the_larger_values():
    found = decide(rule(higher=False), 2, 0.25, [3.0], passed(2.0))
    assert (found.stop, found.reason) == (True, "win_rate 3.000, cutoff 2.000 after 1 trials")
    assert not decide(rule(higher=False), 3, 0.25, [1.0], passed(2.0, 3.0)).stop


def test_asha_looks_at_one_rung_and_median_at_the_way_there():
    # Good before and weak here: asha sees the present value, median the best so far.
    others = [[0.5, 0.8], [0.5, 0.8]]
    assert decide(rule(), 4, 0.5, [0.7, 0.6], others).stop
    kept = decide(rule(type="median"), 4, 0.5, [0.7, 0.6], others)
    assert not kept.stop
    assert kept.reason == "best win_rate 0.700, cutoff 0.650 after 2 trials"
    assert decide(rule(type="median"), 4, 0.5, [0.6, 0.64], others).stop


@pytest.mark.parametrize(
    ("settings", "trial", "fraction", "others", "reason"),
    [
        ({}, 4, 1.0, 3, "the last rung"),
        ({"type": "none"}, 4, 0.5, 3, "no early stopping"),
        ({}, 0, 0.5, 3, "the control trial is never stopped"),
        ({"full": frozenset({4})}, 4, 0.5, 3, "runs to its end on purpose (search.full_trials)"),
        ({"grace_fraction": 0.5}, 4, 0.25, 3, "before 50% of the steps nobody is stopped"),
        ({"grace_trials": 4}, 4, 0.5, 3, "among the first 4 at this rung"),
        ({}, 4, 0.5, 0, "among the first 1 at this rung"),
    ],
)
def test_the_worst_trial_is_spared_where_a_rule_says_so(settings, trial, fraction, others, reason):
    found = decide(rule(**settings), trial, fraction, [0.0], passed(*[0.9] * others))
    assert (found.stop, found.spared, found.reason) == (False, True, reason)


def test_a_trial_that_had_to_compete_was_not_spared():
    assert not decide(rule(), 4, 0.5, [0.95], passed(0.9)).spared


@pytest.mark.parametrize(
    ("count", "trials", "numbers"),
    [(0, 12, set()), (4, 12, {3, 6, 8, 11}), (2, 3, {1, 2}), (9, 3, {1, 2}), (3, 1, set())],
)
def test_full_trials_are_spread_over_the_search_and_leave_the_control_out(count, trials, numbers):
    assert full_trials(count, trials) == numbers
