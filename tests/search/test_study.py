"""The study behind the search: who proposes, what it is told, and how it begins with a past."""

from typing import ClassVar

import pytest
from optuna.trial import TrialState
from ray.tune.search import Searcher

from dpo_ray.config.search import SearchConfig
from dpo_ray.config.space import SearchSpace
from dpo_ray.plan import Proposal
from dpo_ray.search.study import StudySearch
from dpo_ray.search.tune_keys import LAST, PROPOSAL, SEEN
from dpo_ray.tracking.records import (
    RungDecided,
    RungReached,
    SweepPlanned,
    TrainMetrics,
    TrialEnded,
    TrialStarted,
    WarmStarted,
    WarmTrial,
)
from dpo_ray.tracking.state import SweepState, fold

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
WIN = {"metric": "win_rate", "direction": "maximize"}
KL = {"metric": "kl", "direction": "minimize"}


def make_search(*, past=None, first=None, objectives=(WIN,), may_start=lambda: True, **settings):
    first = [Proposal(CONTROL, "control")] if first is None else first
    search = SearchConfig.model_validate(settings)
    return StudySearch(search, SPACE, list(objectives), first, past or SweepState(), may_start)


def win_rate(params):
    """A smooth hill: best at beta .3 and a learning rate of 2e-3."""
    return 0.9 - (params["beta"] - 0.3) ** 2 - (1e3 * params["learning_rate"] - 2) ** 2 / 100


def ask(search, number):
    return search.suggest(f"id{number}")[PROPOSAL]


def tell(search, number, proposal, fraction=1.0):
    value = win_rate(proposal["params"])
    result = {"objective": value, "step": round(60 * fraction), "fraction": fraction}
    search.on_trial_complete(f"id{number}", result)


def proposals(search, numbers):
    """Ask and tell one after another; every third trial is stopped half-way."""
    asked = []
    for number in numbers:
        asked.append(ask(search, number))
        tell(search, number, asked[-1], 0.5 if number % 3 == 2 else 1.0)
    return asked


class Story:
    """A journal of such a search, up to some trial."""

    records: ClassVar = SweepPlanned(name="s", plan={"sweep": {"objective": [WIN]}}, host="h",
                                     pid=1, versions={})  # fmt: skip

    def __init__(self):
        self.state = fold([self.records])

    def tell(self, proposal, until="the end"):
        trial, value = proposal["trial"], win_rate(proposal["params"])
        stopped = trial % 3 == 2
        step, fraction = (30, 0.5) if stopped else (60, 1.0)
        self._apply(
            TrialStarted(trial=trial, params=proposal["params"], origin=proposal["origin"],
                         slot="s", folder="/f", total_steps=60),
            TrainMetrics(trial=trial, step=5, metrics={}),
            RungReached(trial=trial, step=step, fraction=fraction,
                        metrics={"eval/win_rate": value, "eval/kl": 1.0}),
            RungDecided(trial=trial, step=step, action="stop" if stopped else "continue",
                        reason=""),
        )  # fmt: skip
        if until == "the end":
            state = "STOPPED" if stopped else "COMPLETED"
            self._apply(TrialEnded(trial=trial, state=state, reason="", step=step, seconds=1.0))

    def _apply(self, *records):
        for record in records:
            self.state.apply(record)


def test_the_control_trial_is_first_then_startup_draws_then_the_sampler():
    asked = proposals(make_search(n_startup=4), range(7))
    assert asked[0] == {"trial": 0, "params": CONTROL, "origin": "control"}
    origins = [proposal["origin"] for proposal in asked]
    assert origins == ["control", *["startup"] * 3, *["sampler"] * 3]
    assert [proposal["trial"] for proposal in asked] == list(range(7))


def test_what_is_to_run_first_runs_in_its_order():
    own = [{**CONTROL, "beta": beta} for beta in (0.2, 0.3)]
    first = [Proposal(CONTROL, "control"), *(Proposal(each, "try_first") for each in own)]
    asked = proposals(make_search(first=first), range(4))
    assert [each["params"] for each in asked[:3]] == [CONTROL, *own]
    assert [each["origin"] for each in asked[:3]] == ["control", "try_first", "try_first"]


def test_every_draw_of_a_random_sampler_is_the_samplers():
    origins = [each["origin"] for each in proposals(make_search(sampler="random"), range(3))]
    assert origins == ["control", "sampler", "sampler"]


@pytest.mark.parametrize(
    "sampler", ["tpe", "random", "gp", {"type": "nsgaii", "population_size": 3}]
)
def test_a_seed_repeats_a_sequential_search_to_the_digit(sampler):
    first, second = (
        proposals(make_search(sampler=sampler, seed=3, n_startup=3), range(8)) for _ in range(2)
    )
    other = proposals(make_search(sampler=sampler, seed=4, n_startup=3), range(8))
    assert first == second
    assert first[1:] != other[1:]


@pytest.mark.parametrize("sampler", ["tpe", "random", "gp"])
@pytest.mark.parametrize("cut", [1, 4, 7])
def test_a_search_that_was_interrupted_proposes_what_it_would_have_anyway(sampler, cut):
    settings = {"sampler": sampler, "n_startup": 3}
    whole = proposals(make_search(**settings), range(9))
    story = Story()
    for proposal in whole[:cut]:
        story.tell(proposal)
    assert proposals(make_search(past=story.state, **settings), range(cut, 9)) == whole[cut:]


def test_a_trial_that_was_interrupted_goes_on_first_and_under_its_number():
    whole = proposals(make_search(), range(6))
    story = Story()
    for proposal in whole[:5]:
        story.tell(proposal, until="the end" if proposal["trial"] != 3 else "its last rung")
    search = make_search(past=story.state)
    again = search.suggest("a")
    assert again[PROPOSAL] == whole[3]
    assert again[SEEN] == {"remembered": {}, "resume": True, "seen_log": 5, "seen_rung": 60}
    last = {"objective": win_rate(whole[3]["params"]), "step": 60, "fraction": 1.0}
    assert again[LAST] == last
    search.on_trial_complete("a", {**last, "repeat": True, "done": True})
    assert search.study.trials[3].state == TrialState.COMPLETE
    new = search.suggest("b")
    assert (new[PROPOSAL]["trial"], new[SEEN]) == (5, {"remembered": {}})


def test_a_number_that_was_lost_before_it_began_is_used_again():
    whole = proposals(make_search(), range(4))
    story = Story()
    for proposal in (whole[0], whole[1], whole[3]):
        story.tell(proposal)
    search = make_search(past=story.state)
    assert [ask(search, number)["trial"] for number in range(2)] == [2, 4]


def test_the_rebuilt_study_equals_the_one_that_was_told():
    search, story = make_search(), Story()
    for proposal in proposals(search, range(6)):
        story.tell(proposal)
    rebuilt = make_search(past=story.state).study.trials
    for told, built in zip(search.study.trials, rebuilt, strict=True):
        assert (built.state, built.params, built.value) == (told.state, told.params, told.value)
        assert built.distributions == told.distributions


def test_failed_trials_of_the_past_teach_nothing():
    story = Story()
    story.tell({"trial": 0, "params": CONTROL, "origin": "control"}, until="its last rung")
    story.state.apply(TrialEnded(trial=0, state="FAILED", reason="", step=60, seconds=1.0))
    (trial,) = make_search(past=story.state).study.trials
    assert (trial.state, trial.value) == (TrialState.FAIL, None)


def test_an_older_sweeps_trials_stand_before_this_ones_and_are_not_counted():
    story = Story()
    older = WarmTrial(
        params=CONTROL | {"beta": 0.4}, state="COMPLETED", values=[0.7], rungs={30: 0.6, 60: 0.7}
    )
    stopped = older.model_copy(update={"state": "STOPPED", "values": [0.5]})
    story.state.apply(WarmStarted(sweep="old", trials=[older, stopped], configs=[], note=""))
    search = make_search(past=story.state, n_startup=2)
    asked = proposals(search, range(2))
    assert [each["trial"] for each in asked] == [0, 1]
    assert [each["origin"] for each in asked] == ["control", "sampler"]
    states = [trial.state for trial in search.study.trials]
    assert states[:2] == [TrialState.COMPLETE, TrialState.PRUNED]
    assert asked[1] != proposals(make_search(n_startup=2), range(2))[1]


def test_no_trial_starts_where_the_budget_forbids_it():
    allowed = iter([True, False])
    search = make_search(may_start=lambda: next(allowed))
    assert search.suggest("a") != Searcher.FINISHED
    assert search.suggest("b") == Searcher.FINISHED
    assert len(search.study.trials) == 1


def test_a_stopped_trial_is_pruned_with_its_rungs():
    search = make_search()
    search.suggest("a")
    search.on_trial_result("a", {"objective": 0.6, "step": 15})
    search.on_trial_complete("a", {"objective": 0.5, "step": 30, "fraction": 0.5})
    trial = search.study.trials[0]
    assert trial.state == TrialState.PRUNED
    assert trial.intermediate_values == {15: 0.6, 30: 0.5}


def test_a_finished_trial_is_complete_with_its_last_value():
    search = make_search()
    search.suggest("a")
    search.on_trial_result("a", {"objective": 0.6, "step": 15})
    search.on_trial_result("a", {"objective": 0.7, "step": 60, "repeat": True})
    search.on_trial_complete("a", {"objective": 0.7, "step": 60, "fraction": 1.0})
    trial = search.study.trials[0]
    assert (trial.state, trial.value) == (TrialState.COMPLETE, 0.7)
    assert trial.intermediate_values == {15: 0.6}


@pytest.mark.parametrize(
    ("result", "error"),
    [(None, True), ({"objective": 0.9, "fraction": 0.5}, True), ({}, False)],
)
def test_a_failed_trial_is_failed_whatever_it_had_reached(result, error):
    search = make_search()
    search.suggest("a")
    search.on_trial_complete("a", result, error)
    assert search.study.trials[0].state == TrialState.FAIL


def test_two_objectives_are_told_without_rungs():
    search = make_search(objectives=(WIN, KL))
    search.suggest("a")
    search.on_trial_result("a", {"objective": 0.6, "second_objective": 1.0, "step": 15})
    done = {"objective": 0.7, "second_objective": 2.0, "step": 60, "fraction": 1.0}
    search.on_trial_complete("a", done)
    search.suggest("b")
    search.on_trial_complete("b", done | {"fraction": 0.5})
    complete, pruned = search.study.trials
    assert (complete.values, complete.intermediate_values) == ([0.7, 2.0], {})
    assert pruned.state == TrialState.PRUNED


def test_proposals_stay_within_the_space():
    for proposal in proposals(make_search(), range(12)):
        params = proposal["params"]
        assert 0.1 <= params["beta"] <= 0.5
        assert 5e-4 <= params["learning_rate"] <= 5e-3
        assert params["lora_rank"] in (2, 4, 8, 16)


def test_no_trial_of_the_study_is_left_running():
    search = make_search()
    proposals(search, range(4))
    states = {trial.state for trial in search.study.trials}
    assert states == {TrialState.COMPLETE, TrialState.PRUNED}
