"""Spaces with branches and ties meet a sweep."""

import pytest

from dpo_ray.config.branches import active
from dpo_ray.errors import ConfigError

LOSSES = "  loss_type: {type: categorical, choices: [sigmoid, robust, ipo]}\n"
BETAS = (
    "  beta:\n"
    "    - {type: float, low: 0.1, high: 0.5, when: {loss_type: [sigmoid, robust]}}\n"
    "    - {type: float, low: 0.2, high: 5, log: true, when: {loss_type: [ipo]}}\n"
)
RANKS = "  lora_rank: {type: categorical, choices: [4, 8, 16]}\n"
TREE = f"parameters:\n{LOSSES}{BETAS}"


def refusal(make, *arguments) -> str:
    with pytest.raises(ConfigError) as caught:
        make(*arguments)
    return str(caught.value)


def test_the_control_trial_lies_in_the_branch_of_its_own_root(make):
    assert make(TREE).control == {"loss_type": "sigmoid", "beta": 0.1}
    ipo = make(TREE, "training: {loss_type: ipo, beta: 2.0}")
    assert ipo.control == {"loss_type": "ipo", "beta": 2.0}
    assert ipo.training_for(ipo.control) == ipo.sweep.training


def test_a_control_outside_its_branch_is_refused_by_the_branchs_line(make):
    assert refusal(make, TREE, "training:\n  loss_type: ipo\n") == (
        "question.yaml:5: parameters.beta[1]: must contain the control trial's value, "
        "training.beta, got 0.1 (its default); allowed: 0.2 to 5.0"
    )


def test_a_control_whose_root_is_not_searched_is_refused_by_the_root(make):
    assert refusal(make, TREE, "training: {loss_type: hinge}") == (
        "question.yaml:2: parameters.loss_type: must contain the control trial's value, "
        'training.loss_type, got "hinge" (sweep.yaml:1); allowed: sigmoid, robust, ipo'
    )


def test_what_a_configuration_lacks_stays_as_the_sweep_has_it(make):
    smoothed = (
        "  label_smoothing: {type: float, low: 0.0, high: 0.2, when: {loss_type: [robust]}}\n"
    )
    plan = make(TREE + smoothed)
    assert plan.control == {"loss_type": "sigmoid", "beta": 0.1}
    robust = {"loss_type": "robust", "beta": 0.2, "label_smoothing": 0.1}
    assert plan.training_for(robust).label_smoothing == 0.1
    assert plan.training_for({"loss_type": "ipo", "beta": 2.0}).label_smoothing == 0.0


def test_relative_branches_are_multiplied_out_each(make):
    plan = make(
        "parameters:\n"
        "  loss_type: {type: categorical, choices: [sigmoid, ipo]}\n"
        "  learning_rate:\n"
        "    - {type: float, low: 0.1, high: 1, relative: true, when: {loss_type: [sigmoid]}}\n"
        "    - {type: float, low: 1, high: 10, relative: true, when: {loss_type: [ipo]}}\n",
        "training: {learning_rate: 3.0e-3}",
    )
    ranges = [
        active(plan.space, {"loss_type": loss})["learning_rate"] for loss in ("sigmoid", "ipo")
    ]
    assert [(each.low, each.high) for each in ranges] == [(3e-4, 3e-3), (3e-3, 0.03)]


@pytest.mark.parametrize(
    ("smoothing", "message"),
    [
        (
            "{type: float, low: 0, high: 0.2}",
            "question.yaml:3: parameters.label_smoothing.high: loss_type sigmoid ignores "
            "label_smoothing, got 0.2; set 0, or a loss_type that reads it: robust, exo_pair, aot, "
            "aot_unpaired; or search it `when: {loss_type: [robust]}`",
        ),
        (
            "{type: float, low: 0, high: 0.2, when: {loss_type: [robust, sigmoid]}}",
            "question.yaml:3: parameters.label_smoothing.high: loss_type sigmoid ignores "
            "label_smoothing, got 0.2; set 0, or a loss_type that reads it: robust, exo_pair, aot, "
            "aot_unpaired; or search it `when: {loss_type: [robust]}`",
        ),
        (
            "{type: categorical, choices: [0.0, 0.6], when: {loss_type: [robust]}}",
            "question.yaml:3: parameters.label_smoothing.choices[1]: must be < 0.5, got 0.6",
        ),
    ],
)
def test_a_value_is_tried_under_every_choice_it_may_meet(make, smoothing, message):
    space = (
        "parameters:\n  loss_type: {type: categorical, choices: [sigmoid, robust]}\n"
        f"  label_smoothing: {smoothing}\n"
    )
    assert refusal(make, space) == message


def test_label_smoothing_alone_may_be_searched_where_the_fixed_loss_reads_it(make):
    space = "parameters:\n  label_smoothing: {type: float, low: 0, high: 0.2}\n"
    assert make(space, "training: {loss_type: robust}").control == {"label_smoothing": 0.0}
    assert "loss_type sigmoid ignores label_smoothing, got 0.2" in refusal(make, space)


def test_a_choice_that_needs_a_searched_value_gets_it(make):
    space = (
        "parameters:\n  loss_type: {type: categorical, choices: [sigmoid, exo_pair]}\n"
        "  label_smoothing: {type: float, low: LOW, high: 0.2, when: {loss_type: [exo_pair]}}\n"
    )
    assert make(space.replace("LOW", "0.05")).control == {"loss_type": "sigmoid"}
    assert refusal(make, space.replace("LOW", "0")) == (
        "question.yaml:3: parameters.label_smoothing.low: loss_type exo_pair needs "
        "label_smoothing > 0, got 0.0; or search it `when: {loss_type: [sigmoid]}`"
    )


def test_two_searched_fields_that_rule_each_other_out_need_a_condition(make):
    losses = "parameters:\n  loss_type: {type: categorical, choices: [sigmoid, ipo]}\n"
    weights = "  example_weight: {type: categorical, choices: [true, false]WHEN}\n"
    assert refusal(make, losses + weights.replace("WHEN", "")) == (
        "question.yaml:3: parameters.example_weight.choices[1]: false replaces loss_type sigmoid, "
        "got ipo; or search it `when: {loss_type: [sigmoid]}`"
    )
    make(losses + weights.replace("WHEN", ", when: {loss_type: [sigmoid]}"))


def test_an_added_sft_loss_is_refused_where_the_loss_is_sft_or_a_thousandth_of_its_scale(make):
    space = "parameters:\n  ROOT\n  sft_weight: {type: categorical, choices: [0.0, 0.1]}\n"
    losses = "loss_type: {type: categorical, choices: [sigmoid, sft]}"
    assert (
        "parameters.sft_weight.choices[1]: loss_type sft is the chosen answers' loss already"
        in (refusal(make, space.replace("ROOT", losses)))
    )
    weights = "example_weight: {type: categorical, choices: [true, false]}"
    assert "parameters.sft_weight.choices[1]: cannot be added where example_weight is false" in (
        refusal(make, space.replace("ROOT", weights))
    )
    make("parameters:\n  sft_weight: {type: float, low: 0, high: 0.5}\n")


def test_combinations_to_try_are_bounded(make):
    fields = ("lr_scheduler", "use_rslora", "warmup", "weight_decay")
    choices = {"lr_scheduler": "[linear, cosine, constant]", "use_rslora": "[true, false]"}
    many = str([round(index / 100, 2) for index in range(20)])
    roots = "".join(
        f"  {field}: {{type: categorical, choices: {choices.get(field, many)}}}\n"
        for field in fields
    )
    when = ", ".join(
        f"{field}: {text}"
        for field, text in zip(fields, ["[linear]", "[true]", "[0.0]", "[0.0]"], strict=True)
    )
    beta = f"  beta: {{type: float, low: 0.1, high: 0.5, when: {{{when}}}}}\n"
    assert "parameters: more than 1000 combinations of choices" in refusal(
        make, f"parameters:\n{roots}{beta}", "training: {warmup: 0.1}"
    )


TIED = f"parameters:\n{RANKS}  lora_alpha: {{type: tied, to: lora_rank, times: 2}}\n"


def test_a_tied_field_follows_in_the_control_and_in_every_trial(make):
    plan = make(TIED)
    assert plan.control == {"lora_rank": 8, "lora_alpha": 16}


def test_a_control_that_breaks_the_tie_is_refused(make):
    assert refusal(make, TIED, "training:\n  lora_alpha: 32\n") == (
        "question.yaml:3: parameters.lora_alpha: the control trial must keep to it: "
        "training.lora_alpha is 32 (sweep.yaml:2), 2 x training.lora_rank is 16"
    )


@pytest.mark.parametrize(
    ("rank", "times", "message"),
    [
        (
            "{type: categorical, choices: [3, 8]}",
            "0.5",
            "question.yaml:3: parameters.lora_alpha: must be a whole number, got 1.5",
        ),
        (
            "{type: int, low: 2, high: 8}",
            "0.5",
            "question.yaml:3: parameters.lora_alpha: must give whole numbers, 0.5 x lora_rank does "
            "not; lora_rank is drawn from 2 to 8",
        ),
        (
            "{type: int, low: 2, high: 8}",
            "0.1",
            "question.yaml:3: parameters.lora_alpha: must be a whole number, got 0.2",
        ),
    ],
)
def test_a_tie_gives_whole_numbers_where_the_field_wants_them(make, rank, times, message):
    space = (
        f"parameters:\n  lora_rank: {rank}\n"
        f"  lora_alpha: {{type: tied, to: lora_rank, times: {times}}}\n"
    )
    lines = refusal(make, space, "training: {lora_rank: 8, lora_alpha: 4}").splitlines()
    assert message in lines


def test_a_step_that_the_tie_makes_whole_is_enough(make):
    space = (
        "parameters:\n  lora_rank: {type: int, low: 2, high: 8, step: 2}\n"
        "  lora_alpha: {type: tied, to: lora_rank, times: 1.5}\n"
    )
    assert make(space, "training: {lora_alpha: 12}").control == {"lora_rank": 8, "lora_alpha": 12}


def test_a_tied_value_keeps_the_fields_own_bounds(make):
    space = (
        "parameters:\n  warmup: {type: float, low: 0, high: 0.3}\n"
        "  label_smoothing: {type: tied, to: warmup, times: 2}\n"
    )
    message = refusal(make, space, "training: {loss_type: robust, label_smoothing: 0.2}")
    assert message == "question.yaml:3: parameters.label_smoothing: must be < 0.5, got 0.6"


def test_epochs_are_searched_only_where_they_count(make):
    space = "parameters:\n  epochs: {type: categorical, choices: [0.5, 1.0, 2.0]}\n"
    assert make(space).control == {"epochs": 1.0}
    assert refusal(make, space, "training:\n  max_steps: 60\n") == (
        "question.yaml:2: parameters.epochs: is not read where training.max_steps is set "
        "(sweep.yaml:2); set that to null"
    )


def test_sets_of_layers_are_searched_by_word(make):
    space = "parameters:\n  target_modules: {type: categorical, choices: [all-linear, CHOICE]}\n"
    plan = make(space.replace("CHOICE", "attention"))
    assert plan.training_for({"target_modules": "attention"}).target_modules == "attention"
    assert refusal(make, space.replace("CHOICE", "q_proj")) == (
        "question.yaml:2: parameters.target_modules.choices[1]: must be all-linear, attention, mlp "
        'or a list of module names, got "q_proj"'
    )
    full = refusal(make, space.replace("CHOICE", "mlp"), "training: {mode: full}")
    assert full == (
        "question.yaml:2: parameters.target_modules: is not read where training.mode is full"
    )


@pytest.mark.parametrize("sampler", ["gp", "nsgaii"])
def test_a_sampler_that_cannot_learn_about_branches_is_refused(make, sampler):
    message = refusal(make, TREE, f"search:\n  sampler: {sampler}\n")
    assert message.startswith(
        f"sweep.yaml:2: search.sampler: {sampler} cannot search a space with conditions (on "
        "loss_type): "
    )
    assert message.endswith(
        "branches would be drawn at random for ever; allowed: tpe, random, grid"
    )
    make(TIED, f"search: {{sampler: {sampler}}}")


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_the_others_search_branches(make, sampler):
    assert make(TREE, f"search: {{sampler: {sampler}}}").sweep.search.sampler.type == sampler


def test_rungs_do_not_decide_by_a_metric_that_beta_scales_either(make):
    sweep = "search:\n  scheduler: {metric: rewards/margins}\n"
    assert refusal(make, TREE, sweep) == (
        "sweep.yaml:2: search.scheduler.metric: rewards/margins cannot rank trials while beta and "
        "loss_type is searched: at the very same weights five times the beta gives five times the "
        "margin; use win_rate"
    )
    make("parameters:\n  lora_rank: {type: int, low: 2, high: 16}\n", sweep)
