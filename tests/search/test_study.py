import optuna
import pytest
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from dpo_ray.config.search import SearchConfig
from dpo_ray.config.space import SearchSpace
from dpo_ray.search.distributions import distributions
from dpo_ray.search.samplers import make_sampler
from dpo_ray.search.study import PROPOSAL, StudySearch

SPACE = SearchSpace.model_validate(
    {
        "parameters": {
            "beta": {"type": "float", "low": 0.1, "high": 0.5},
            "learning_rate": {"type": "float", "low": 5e-4, "high": 5e-3, "log": True},
            "lora_rank": {"type": "categorical", "choices": [2, 4, 8, 16]},
        }
    }
)
CONTROL = {"beta": 0.1, "learning_rate": 2e-3, "lora_rank": 8}


def make_search(**settings):
    return StudySearch(
        distributions(SPACE),
        metric="eval/win_rate",
        mode="max",
        sampler=make_sampler(SearchConfig.model_validate(settings), SPACE, 0),
        control=CONTROL,
    )


def proposals(search, count, value=lambda params: params["beta"]):
    """Ask and tell one after another; every trial runs whole."""
    asked = []
    for number in range(count):
        proposal = search.suggest(f"id{number}")[PROPOSAL]
        result = {"eval/win_rate": value(proposal["params"]), "step": 60, "fraction": 1.0}
        search.on_trial_complete(f"id{number}", result)
        asked.append(proposal)
    return asked


def test_a_space_becomes_the_distributions_of_the_same_bounds():
    space = SearchSpace.model_validate(
        {
            "parameters": {
                "beta": {"type": "float", "low": 0.1, "high": 0.5, "step": 0.1},
                "lora_rank": {"type": "int", "low": 2, "high": 16, "log": True},
                "loss_type": {"type": "categorical", "choices": ["sigmoid", "ipo"]},
            }
        }
    )
    assert distributions(space) == {
        "beta": FloatDistribution(0.1, 0.5, step=0.1),
        "lora_rank": IntDistribution(2, 16, log=True),
        "loss_type": CategoricalDistribution(["sigmoid", "ipo"]),
    }


def test_the_control_trial_is_first_then_startup_draws_then_the_sampler():
    asked = proposals(make_search(n_startup=4), 7)
    assert asked[0] == {"trial": 0, "params": CONTROL, "origin": "control"}
    origins = [proposal["origin"] for proposal in asked]
    assert origins == ["control", *["startup"] * 3, *["sampler"] * 3]
    assert [proposal["trial"] for proposal in asked] == list(range(7))


def test_every_draw_of_a_random_sampler_is_the_samplers():
    origins = [each["origin"] for each in proposals(make_search(sampler="random"), 3)]
    assert origins == ["control", "sampler", "sampler"]


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_seed_repeats_a_sequential_search_to_the_digit(sampler):
    first, second = (proposals(make_search(sampler=sampler, seed=3), 9) for _ in range(2))
    other = proposals(make_search(sampler=sampler, seed=4), 9)
    assert first == second
    assert first != other


def test_proposals_stay_within_the_space():
    for proposal in proposals(make_search(), 12):
        params = proposal["params"]
        assert 0.1 <= params["beta"] <= 0.5
        assert 5e-4 <= params["learning_rate"] <= 5e-3
        assert params["lora_rank"] in (2, 4, 8, 16)


def test_a_stopped_trial_is_pruned_with_its_rungs():
    search = make_search()
    search.suggest("a")
    search.on_trial_result("a", {"eval/win_rate": 0.6, "step": 15})
    search.on_trial_complete("a", {"eval/win_rate": 0.5, "step": 30, "fraction": 0.5})
    trial = search.study.trials[0]
    assert trial.state == TrialState.PRUNED
    assert trial.intermediate_values == {15: 0.6, 30: 0.5}


def test_a_finished_trial_is_complete_with_its_last_value():
    search = make_search()
    search.suggest("a")
    search.on_trial_result("a", {"eval/win_rate": 0.6, "step": 15})
    search.on_trial_result("a", {"eval/win_rate": 0.7, "step": 60, "repeat": True})
    search.on_trial_complete("a", {"eval/win_rate": 0.7, "step": 60, "fraction": 1.0})
    trial = search.study.trials[0]
    assert (trial.state, trial.value) == (TrialState.COMPLETE, 0.7)
    assert trial.intermediate_values == {15: 0.6}


@pytest.mark.parametrize(
    ("result", "error"),
    [(None, True), ({"eval/win_rate": 0.9, "fraction": 0.5}, True), ({}, False)],
)
def test_a_failed_trial_is_failed_whatever_it_had_reached(result, error):
    search = make_search()
    search.suggest("a")
    search.on_trial_complete("a", result, error)
    assert search.study.trials[0].state == TrialState.FAIL


def test_no_trial_of_the_study_is_left_running():
    search = make_search()
    proposals(search, 4)
    states = {trial.state for trial in search.study.trials}
    assert states == {TrialState.COMPLETE}
    assert isinstance(search.study.sampler, optuna.samplers.TPESampler)
