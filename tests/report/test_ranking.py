"""Trials stand there with their best checkpoints; failed ones nowhere; two rows always marked."""

import math

import pytest

from dpo_ray.report.ranking import best_of, default_candidate, rank, top_candidates
from dpo_ray.tracking.state import SweepState

WIN = "eval/win_rate"


def places(state):
    return {row.name: row.place for row in rank(state)}


def ranked_by(state, *objectives):
    state.plan.plan["sweep"]["objective"] = list(objectives)
    return rank(state)


def test_trials_are_ordered_by_their_best_checkpoints(state):
    rows = rank(state)
    assert [row.name for row in rows[:11]] == [
        "t10", "t02", "t07", "t08", "t11", "t04", "t06", "t00", "t03", "t01", "t09",
    ]  # fmt: skip
    assert [row.place for row in rows[:11]] == list(range(1, 12))
    assert best_of(rows) is rows[0]
    assert [row.step for row in rows[:11]] == [60] * 8 + [15] * 3


def test_a_checkpoint_before_the_end_may_be_a_trials_best(state):
    state.trials[10].rungs[1].metrics[WIN] = 0.9
    best = best_of(rank(state))
    assert (best.name, best.step, best.metrics[WIN]) == ("t10", 30, 0.9)


def test_a_stopped_trials_checkpoint_is_ranked_among_the_completed_ones(state):
    state.trials[3].rungs[0].metrics[WIN] = 0.745
    assert places(state)["t03"] == 4


@pytest.mark.parametrize("status", ["FAILED", "KILLED", "RUNNING"])
def test_a_trial_that_did_not_end_well_has_no_place(state, status):
    state.trials[10].status = status
    assert places(state)["t10"] is None
    assert best_of(rank(state)).name == "t02"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None])
def test_a_trial_without_a_finite_value_has_no_place(state, value):
    for rung in state.trials[10].rungs:
        rung.metrics[WIN] = value
        if value is None:
            del rung.metrics[WIN]
    assert places(state)["t10"] is None


def test_a_smaller_kl_is_better_when_it_is_minimized(state):
    best = best_of(ranked_by(state, {"metric": "kl", "direction": "minimize"}))
    assert (best.name, best.step) == ("t09", 15)


def test_a_penalty_is_taken_off_before_ranking(state):
    penalty = {"metric": "kl", "budget": 0.5, "weight": 1.0}
    best = best_of(ranked_by(state, {"metric": "win_rate", "penalty": penalty}))
    assert (best.name, best.step) == ("t08", 30)  # .720 at KL .431; what is above costs KL


def test_of_two_objectives_the_pick_is_the_calmest_within_one_standard_error(state):
    both = [{"metric": "win_rate"}, {"metric": "kl", "direction": "minimize"}]
    rows = ranked_by(state, *both)
    best = best_of(rows)
    top = state.trials[10].rungs[-1].metrics
    error = (top["eval/win_rate_high"] - top["eval/win_rate_low"]) / (2 * 1.959964)
    near = [
        rung.metrics["eval/kl"]
        for trial in state.with_status("COMPLETED", "STOPPED")
        for rung in trial.rungs
        if rung.metrics[WIN] >= top[WIN] - error
    ]
    assert best.metrics["eval/kl"] == min(near)
    assert best.on_front
    fronts = [row.metrics for row in rows if row.on_front]
    assert not any(a[WIN] > b[WIN] and a["eval/kl"] < b["eval/kl"] for a in fronts for b in fronts)


def test_reference_and_default_are_marked_wherever_they_stand(state):
    rows = rank(state)
    (reference,) = (row for row in rows if row.is_reference)
    (control,) = (row for row in rows if row.is_control)
    assert (reference.name, reference.place) == ("reference", None)
    assert reference.metrics[WIN] == 0.492
    assert (control.name, control.place) == ("t00", 8)


def test_only_stopped_trials_have_no_best(state):
    for trial in state.with_status("COMPLETED"):
        trial.status = "STOPPED"
    rows = rank(state)
    assert best_of(rows) is None
    assert rows[0].place == 1


def test_a_sweep_without_trials_has_only_the_reference():
    assert [row.name for row in rank(SweepState())] == ["reference"]


def test_the_best_configurations_are_confirmed_at_their_best_checkpoints(state):
    state.trials[2].rungs[1].metrics[WIN] = 0.9
    found = top_candidates(state, 3)
    assert [(each.trial, each.step) for each in found] == [(2, 30), (10, 60), (7, 60)]
    assert found[0].params == state.trials[2].params


def test_the_default_at_its_end_is_what_candidates_are_compared_with_and_none_of_them(state):
    state.trials[0].rungs[-1].metrics[WIN] = 0.99
    assert [each.trial for each in top_candidates(state, 2)] == [10, 2]
    default = default_candidate(state)
    assert (default.trial, default.step, default.is_default) == (0, 60, True)
    assert default.metrics[WIN] == 0.99


def test_the_default_stopped_earlier_is_a_candidate_like_any_other(state):
    state.trials[0].rungs[0].metrics[WIN] = 0.99
    first = top_candidates(state, 1)[0]
    assert (first.trial, first.step, first.is_default) == (0, 15, False)


def test_a_default_that_failed_is_tried_again_with_the_plans_values(state):
    state.trials[0].status = "FAILED"
    default = default_candidate(state)
    assert (default.step, default.total_steps, default.metrics) == (60, 60, {})
    assert default.params == state.plan.plan["control"]
