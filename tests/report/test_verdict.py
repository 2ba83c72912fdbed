"""The sentences below a ranking claim no more than the numbers carry."""

import pytest

from dpo_ray.report.ranking import rank
from dpo_ray.report.verdict import edges, verdict


def said(state) -> str:
    return "\n".join(verdict(state, rank(state)))


def win(state, number: int, value: float, low: float, high: float) -> None:
    metrics = {"eval/win_rate": value, "eval/win_rate_low": low, "eval/win_rate_high": high}
    state.trials[number].metrics = metrics
    state.trials[number].rungs[-1].metrics.update(metrics)


def test_overlapping_intervals_are_not_called_a_gain(state):
    assert "t10 is not distinguishable from the default configuration at this budget" in said(state)


def test_separate_intervals_are(state):
    win(state, 10, 0.9, 0.85, 0.95)
    assert "t10 is above the default configuration" in said(state)


def test_a_default_that_wins_says_so(state):
    win(state, 0, 0.9, 0.85, 0.95)
    assert "The default configuration itself came first" in said(state)


def test_a_default_that_failed_is_not_compared_with(state):
    state.trials[0].status = "FAILED"
    assert "The default configuration (t00) did not complete" in said(state)


@pytest.mark.parametrize(
    ("low", "high", "sentence"),
    [
        (0.68, 0.83, "t10 beats the reference model"),
        (0.45, 0.83, "t10 is not distinguishable from the reference model"),
        (0.20, 0.40, "Even t10 loses to the reference model"),
    ],
)
def test_the_reference_is_beaten_only_by_the_whole_interval(state, low, high, sentence):
    win(state, 10, 0.99, low, high)
    assert sentence in said(state)


def test_the_score_is_called_optimistic_with_the_number_compared(state):
    assert "the best of 28 checkpoints is partly the luckiest" in said(state)


def test_no_completed_trial_is_said_plainly(state):
    for trial in state.trials.values():
        trial.status = "FAILED"
    assert said(state) == "No trial completed, so nothing is ranked first."


@pytest.mark.parametrize(
    ("beta", "end"),
    [(0.1, "lower"), (0.107, "lower"), (0.12, None), (0.48, None), (0.495, "upper")],
)
def test_a_beta_at_an_end_of_its_range_is_named(state, beta, end):
    state.trials[2].params["beta"] = beta
    found = edges(state.trials[2], {"beta": state.parameters["beta"]})
    assert [f"{end} end of its range [0.1, 0.5]" in text for text in found] == [True] * bool(end)


@pytest.mark.parametrize(("rate", "end"), [(5.2e-4, "lower"), (6e-4, None), (4.8e-3, "upper")])
def test_a_logarithmic_range_is_measured_on_its_own_scale(state, rate, end):
    state.trials[2].params["learning_rate"] = rate
    found = edges(state.trials[2], {"learning_rate": state.parameters["learning_rate"]})
    assert [f"{end} end of its range [5e-4, 5e-3]" in text for text in found] == [True] * bool(end)


def test_choices_have_no_ends(state):
    assert edges(state.trials[2], {"lora_rank": state.parameters["lora_rank"]}) == []
