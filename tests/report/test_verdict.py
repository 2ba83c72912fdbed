"""The sentences below a ranking claim no more than the numbers carry."""

import pytest

from dpo_ray.config.loading import open_space
from dpo_ray.report.ranking import rank
from dpo_ray.report.recommended import recommended
from dpo_ray.report.verdict import WIDER, edges, verdict
from dpo_ray.tracking.records import (
    Candidate,
    CandidateConfirmed,
    ConfirmationPlanned,
    Confirmed,
)
from tests.conftest import ROOT


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


def confirmed(state, champion, *, kls=(2.0, 3.0, 1.0), means=(0.70, 0.72, 0.60)):
    """Trials 10 and 2 and the default, tried again."""
    tried = [
        Candidate(
            trial=trial, step=step, fraction=step / 60, total_steps=60, is_default=trial == 0,
            params=state.trials[trial].params, metrics={},
        )
        for trial, step in ((10, 30), (2, 60), (0, 60))
    ]  # fmt: skip
    state.apply(ConfirmationPlanned(candidates=tried, seeds=[1, 2], prompts=99, reference={}))
    for number, (kl, mean) in enumerate(zip(kls, means, strict=True)):
        metrics = {"confirm/win_rate": mean, "confirm/kl": kl}
        state.apply(CandidateConfirmed(candidate=number, metrics=metrics))
    state.apply(Confirmed(champion=champion, verdict="t10 beats the default"))
    return recommended(state, rank(state))


def test_the_champion_is_recommended_at_its_own_checkpoint(state):
    row = confirmed(state, 0)
    assert (row.name, row.step) == ("t10", 30)
    assert row.metrics == state.trials[10].rungs[1].metrics


def test_where_nothing_beats_the_default_it_is_recommended_itself(state):
    row = confirmed(state, None)
    assert (row.name, row.step) == ("t00", 60)


def test_without_a_confirmation_the_best_of_the_search_is_recommended(state):
    assert recommended(state, rank(state)).name == "t10"


def test_a_confirmed_sweep_says_so_first_and_why_not_the_highest_mean(state):
    confirmed(state, 0)
    first, second, *others = verdict(state, rank(state))
    assert first == "Confirmed: t10 beats the default."
    assert second == (
        "t10 is recommended, not t02: within one standard error of the best mean the nearest to "
        "the reference is taken, KL 2.00 instead of 3.00 nats."
    )
    assert not any("optimistic" in text for text in others)


def test_the_highest_mean_needs_no_reason(state):
    confirmed(state, 1)
    assert "is recommended, not" not in said(state)


@pytest.mark.parametrize(
    ("name", "value", "space", "sentence"),
    [
        ("beta", 0.1, {"low": 0.1, "high": 0.5}, "try search_spaces/beta_wide.yaml"),
        ("beta", 0.01, {"low": 0.01, "high": 1.0}, "widen the range and search again"),
        ("beta", 5.0, {"low": 1.0, "high": 5.0}, "widen the range and search again"),
        ("beta", 0.1, {"low": 0.1, "high": 0.5, "when": {"loss_type": ["ipo"]}}, "widen the range"),
        ("learning_rate", 5e-3, {"low": 5e-4, "high": 5e-3}, "try search_spaces/learning_rate"),
        ("learning_rate", 5e-4, {"low": 5e-4, "high": 5e-3}, "widen the range and search again"),
        ("sft_weight", 1.0, {"low": 0.0, "high": 1.0}, "widen the range and search again"),
    ],
)
def test_an_edge_names_a_shipped_space_only_where_that_goes_further(
    state, name, value, space, sentence
):
    state.trials[2].params = {name: value}
    (found,) = edges(state.trials[2], {name: {"type": "float", **space}}, {"learning_rate": 2e-3})
    assert sentence in found


def test_the_wider_spaces_are_what_their_files_say():
    for name, (file, low, high, relative) in WIDER.items():
        parameter = open_space(ROOT / file)[0].parameters[name]
        assert (parameter.low, parameter.high, parameter.relative) == (low, high, relative)
