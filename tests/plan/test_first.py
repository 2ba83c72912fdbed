"""What is known before anything runs: the control, `search.try_first` and the grid."""

import json

import pytest

from dpo_ray.config.branches import is_conditional
from dpo_ray.errors import ConfigError

TREE = (
    "parameters:\n"
    "  loss_type: {type: categorical, choices: [sigmoid, ipo]}\n"
    "  beta:\n"
    "    - {type: float, low: 0.1, high: 0.5, when: {loss_type: [sigmoid]}}\n"
    "    - {type: float, low: 0.2, high: 5, when: {loss_type: [ipo]}}\n"
    "  lora_rank: {type: categorical, choices: [4, 8]}\n"
    "  lora_alpha: {type: tied, to: lora_rank, times: 2}\n"
)
CONTROL = {"loss_type": "sigmoid", "beta": 0.1, "lora_rank": 8, "lora_alpha": 16}


def first(plan):
    return [(each.origin, each.params) for each in plan.first]


def test_what_a_map_leaves_out_is_as_in_the_control(make):
    plan = make(TREE, "search: {try_first: [{lora_rank: 4}, {loss_type: ipo, beta: 1}]}")
    assert first(plan) == [
        ("control", CONTROL),
        ("try_first", {**CONTROL, "lora_rank": 4, "lora_alpha": 8}),
        ("try_first", {**CONTROL, "loss_type": "ipo", "beta": 1.0}),
    ]
    assert plan.trials == plan.sweep.search.trials
    assert isinstance(plan.first[2].params["beta"], float)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "{bta: 0.2}",
            "[0].bta: is not searched; did you mean beta? allowed: loss_type, beta, lora_rank",
        ),
        ("{lora_alpha: 8}", "[0].lora_alpha: follows lora_rank; leave it out"),
        ("{loss_type: hinge}", '[0].loss_type: is no choice, got "hinge"; allowed: sigmoid, ipo'),
        (
            "{beta: 0.7}",
            "[0].beta: lies outside its range, got 0.7; allowed: 0.1 to 0.5 where loss_type is "
            '"sigmoid"',
        ),
        (
            "{loss_type: ipo}",
            "[0]: beta must be given, for the control trial has 0.1; allowed: 0.2 to 5.0 where "
            'loss_type is "ipo"',
        ),
        ("{beta: 0.1}", "[0]: is the same configuration as the control trial"),
    ],
)
def test_a_configuration_outside_the_space_is_refused_in_these_words(make, given, message):
    with pytest.raises(ConfigError) as caught:
        make(TREE, f"search:\n  try_first:\n    - {given}\n")
    assert str(caught.value) == f"sweep.yaml:3: search.try_first{message}"


def test_a_configuration_is_tried_once(make):
    with pytest.raises(ConfigError) as caught:
        make(TREE, "search:\n  try_first:\n    - {beta: 0.2}\n    - {beta: 0.2, lora_rank: 8}\n")
    assert str(caught.value) == (
        "sweep.yaml:4: search.try_first[1]: is the same configuration as search.try_first[0]"
    )


def test_a_parameter_the_configuration_has_no_use_for_is_refused(make):
    tree = TREE + "  warmup: {type: float, low: 0, high: 0.2, when: {loss_type: [ipo]}}\n"
    with pytest.raises(ConfigError) as caught:
        make(tree, "search:\n  try_first: [{warmup: 0.1}]\n")
    assert str(caught.value) == (
        'sweep.yaml:2: search.try_first[0].warmup: is not searched where loss_type is "sigmoid"; '
        "leave it out"
    )
    with pytest.raises(ConfigError, match=r"warmup must be given, for the control trial has none"):
        make(tree, "search: {try_first: [{loss_type: ipo, beta: 1}]}")


def test_a_grid_follows_what_was_asked_for_and_repeats_none_of_it(make):
    sweep = "search: {sampler: {type: grid, points: 3}, trials: 8, try_first: [{beta: 0.3}]}"
    plan = make(TREE, sweep)
    origins = [each.origin for each in plan.first]
    # Two losses, 3 points of beta and 2 ranks each, of which the first two are known already.
    assert origins == ["control", "try_first", *["grid"] * 10]
    assert [plan.first.count(each) for each in plan.first] == [1] * 12
    points = [tuple(each.params.items()) for each in plan.first]
    assert len(set(points)) == 12
    assert plan.trials == 8
    assert make(TREE, sweep, "search.trials=40").trials == 12


def test_every_configuration_that_is_known_can_be_trained(make):
    plan = make(TREE, "search: {sampler: grid, try_first: [{beta: 0.3}]}")
    for proposal in plan.first:
        training = plan.training_for(proposal.params)
        assert {name: getattr(training, name) for name in proposal.params} == proposal.params


def test_a_grid_beyond_listing_is_refused_by_the_samplers_line(make):
    space = "parameters:\n  lora_rank: {type: int, low: 1, high: 2000000000}\n"
    with pytest.raises(ConfigError, match=r"sweep.yaml:2: search.sampler: a grid"):
        make(space, "search:\n  sampler: grid\n")


def test_the_first_configurations_are_part_of_the_plan_as_json(make):
    plan = make(TREE, "search: {sampler: grid, trials: 4}")
    plain = json.loads(json.dumps(plan.to_dict()))
    assert plain["trials"] == 4
    assert plain["control"] == CONTROL
    assert plain["first"] == [
        {"origin": origin, "params": params} for origin, params in first(plan)
    ]
    assert plain["space"]["parameters"]["beta"][1]["when"] == {"loss_type": ["ipo"]}
    assert is_conditional(plan.space)


@pytest.mark.parametrize(
    "override",
    [
        "search.concurrent=1",
        "budget.hours=6",
        "budget.failures=9",
        "search.trials=99",
    ],
)
def test_spending_more_or_less_asks_the_same_question(shipped, override):
    assert shipped(override).name == shipped().name


@pytest.mark.parametrize(
    "override", ["search.sampler=gp", "search.try_first=[{beta: 0.3}]", "search.n_startup=5"]
)
def test_choosing_differently_asks_another(shipped, override):
    assert shipped(override).name != shipped().name
