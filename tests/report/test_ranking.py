"""Completed trials first, stopped ones below, failed ones nowhere; two rows always marked."""

import math

import pytest

from dpo_ray.report.ranking import best_of, rank
from dpo_ray.tracking.state import SweepState


def places(state, metric="win_rate", direction="maximize"):
    return {row.name: row.place for row in rank(state, metric, direction)}


def test_completed_trials_are_ordered_by_the_objective(state):
    rows = rank(state, "win_rate", "maximize")
    assert [row.name for row in rows][:8] == [
        "t10", "t02", "t07", "t08", "t11", "t04", "t06", "t00",
    ]  # fmt: skip
    assert [row.place for row in rows[:8]] == list(range(1, 9))
    assert best_of(rows) is state.trials[10]


def test_stopped_trials_are_below_every_completed_one(state):
    state.trials[3].metrics["eval/win_rate"] = 0.99
    found = places(state)
    assert (found["t03"], found["t01"], found["t09"]) == (9, 10, 11)
    assert best_of(rank(state, "win_rate", "maximize")) is state.trials[10]


@pytest.mark.parametrize("status", ["FAILED", "KILLED", "RUNNING"])
def test_a_trial_that_did_not_end_well_has_no_place(state, status):
    state.trials[10].status = status
    assert places(state)["t10"] is None
    assert best_of(rank(state, "win_rate", "maximize")) is state.trials[2]


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_a_trial_without_a_finite_value_has_no_place(state, value):
    state.trials[10].metrics["eval/win_rate"] = value
    if value is None:
        del state.trials[10].metrics["eval/win_rate"]
    assert places(state)["t10"] is None


def test_a_smaller_kl_is_better_when_it_is_minimized(state):
    assert best_of(rank(state, "kl", "minimize")) is state.trials[2]


def test_reference_and_default_are_marked_wherever_they_stand(state):
    rows = rank(state, "win_rate", "maximize")
    (reference,) = (row for row in rows if row.is_reference)
    (control,) = (row for row in rows if row.is_control)
    assert (reference.name, reference.place) == ("reference", None)
    assert reference.metrics["eval/win_rate"] == 0.492
    assert (control.name, control.place) == ("t00", 8)


def test_only_stopped_trials_have_no_best(state):
    for trial in state.with_status("COMPLETED"):
        trial.status = "STOPPED"
    rows = rank(state, "win_rate", "maximize")
    assert best_of(rows) is None
    assert rows[0].place == 1


def test_a_sweep_without_trials_has_only_the_reference():
    assert [row.name for row in rank(SweepState(), "win_rate", "maximize")] == ["reference"]
