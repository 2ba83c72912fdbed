"""Samplers made anew for every proposal, driven through Optuna as a sweep drives them."""

import math
from statistics import mean

import optuna
import pytest
from optuna.samplers import GPSampler, RandomSampler, TPESampler

from dpo_ray.config.search import SearchConfig
from dpo_ray.config.space import SearchSpace
from dpo_ray.search.distributions import propose, recorded
from dpo_ray.search.samplers import (
    FIRST_GENERATION,
    GENERATION,
    OrderedNSGAII,
    derived_seed,
    kept_attributes,
    make_sampler,
)

RATE = {"type": "float", "low": 1e-4, "high": 1e-2, "log": True}
FLAT = SearchSpace.model_validate(
    {
        "parameters": {
            "beta": {"type": "float", "low": 0.1, "high": 0.5},
            "learning_rate": RATE,
            "lora_rank": {"type": "categorical", "choices": [2, 4, 8]},
            "warmup": {"type": "float", "low": 0.0, "high": 0.3, "step": 0.1},
        }
    }
)
TREE = SearchSpace.model_validate(
    {
        "parameters": {
            "loss_type": {"type": "categorical", "choices": ["sigmoid", "ipo"]},
            "beta": [
                {"type": "float", "low": 0.1, "high": 0.5, "when": {"loss_type": ["sigmoid"]}},
                {"type": "float", "low": 1.0, "high": 5.0, "when": {"loss_type": ["ipo"]}},
            ],
            "learning_rate": RATE,
        }
    }
)
STEPLESS = SearchSpace(
    parameters={name: each for name, each in FLAT.parameters.items() if name != "warmup"}
)
SPACES = {"flat": FLAT, "stepless": STEPLESS, "tree": TREE}
LEARNERS = [("tpe", "flat"), ("tpe", "tree"), ("gp", "stepless"), ("nsgaii", "flat")]


def search(**settings) -> SearchConfig:
    return SearchConfig.model_validate({"n_startup": 4, "trials": 40, **settings})


def quality(params) -> float:
    """Best at one learning rate and one beta; ipo is worse by a constant."""
    off = math.log(params["learning_rate"] / 2e-3)
    return -(off**2) - 10 * (params["beta"] - 0.3) ** 2 - (params.get("loss_type") == "ipo")


def new_study(objectives: int = 1) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(directions=["maximize", "minimize"][:objectives])


def go_on(study: optuna.Study, config: SearchConfig, space: SearchSpace, until: int) -> list:
    """Propose and tell one after another, each time with a fresh sampler."""
    proposed = []
    for number in range(len(study.trials), until):
        study.sampler = make_sampler(config, space, number)
        trial = study.ask()
        params = propose(space, trial)
        values = [quality(params), params["beta"]]
        study.tell(trial, values[: len(study.directions)])
        proposed.append(params)
    return proposed


def rebuilt(study: optuna.Study, space: SearchSpace, proposed: list) -> optuna.Study:
    """Build a study anew from what a journal holds of each trial."""
    other = new_study(len(study.directions))
    for trial, params in zip(study.trials, proposed, strict=True):
        under, ranges = recorded(space, params)
        other.add_trial(
            optuna.create_trial(
                params=under,
                distributions=ranges,
                values=trial.values,
                system_attrs=kept_attributes(trial),
            )
        )
    return other


@pytest.mark.parametrize("objectives", [1, 2])
@pytest.mark.parametrize(("sampler", "space"), [*LEARNERS, ("random", "tree")])
def test_a_search_that_goes_on_proposes_what_it_would_have(sampler, space, objectives):
    small = {"type": "nsgaii", "population_size": 4} if sampler == "nsgaii" else sampler
    config, asked = search(sampler=small), SPACES[space]
    trials = 8 if sampler == "gp" else 12
    whole = go_on(new_study(objectives), config, asked, trials)
    begun = new_study(objectives)
    first = go_on(begun, config, asked, trials - 2)
    assert first + go_on(rebuilt(begun, asked, first), config, asked, trials) == whole
    other = search(sampler=small, seed=1)
    assert go_on(new_study(objectives), other, asked, 1) != whole[:1]


@pytest.mark.parametrize(("sampler", "space"), LEARNERS)
def test_a_fresh_sampler_for_each_proposal_learns_all_the_same(sampler, space):
    trials = {"gp": 14, "nsgaii": 60}.get(sampler, 40)
    config = search(sampler=sampler)
    learned = go_on(new_study(), config, SPACES[space], trials)
    drawn = go_on(new_study(), search(sampler="random"), SPACES[space], trials)
    late = trials // 3
    assert mean(map(quality, learned[-late:])) > mean(map(quality, drawn[-late:]))


@pytest.mark.parametrize(("sampler", "objectives"), [("gp", 2), ("tpe", 2), ("nsgaii", 2)])
def test_two_objectives_are_searched_by_every_learner(sampler, objectives):
    study = new_study(objectives)
    go_on(study, search(sampler=sampler), FLAT, 7 if sampler == "gp" else 14)
    study.sampler = make_sampler(search(sampler=sampler), FLAT, 14)
    params = propose(FLAT, study.ask())
    assert params.keys() == FLAT.parameters.keys()
    assert study.best_trials


def test_tpe_draws_the_branches_of_a_tree_from_what_it_saw_in_each():
    study = new_study()
    go_on(study, search(), TREE, 30)
    losses = [trial.params["loss_type"] for trial in study.trials[-10:]]
    assert losses.count("sigmoid") > losses.count("ipo")
    study.sampler = make_sampler(search(), TREE, 30)
    asked = study.ask()
    # It proposes for both branches from the trials it saw there; the root says which is used.
    assert set(asked.relative_params) == {
        "loss_type",
        "beta[loss_type=sigmoid]",
        "beta[loss_type=ipo]",
        "learning_rate",
    }


@pytest.mark.parametrize("sampler", ["gp", "nsgaii"])
def test_those_refused_for_conditions_would_draw_branches_at_random_for_ever(sampler):
    """The refusal at plan time rests on this: only what all trials share is learned about."""
    study = new_study()
    config = search(
        sampler={"type": "nsgaii", "population_size": 4} if sampler == "nsgaii" else "gp"
    )
    while len({trial.params["loss_type"] for trial in study.trials}) < 2 or len(study.trials) < 6:
        go_on(study, config, TREE, len(study.trials) + 1)
    study.sampler = make_sampler(config, TREE, 24)
    assert set(study.ask().relative_params) == {"loss_type", "learning_rate"}


def test_a_queued_configuration_belongs_to_a_generation_of_nsga2():
    study = new_study(2)
    study.enqueue_trial({"beta": 0.2, "learning_rate": 2e-3, "lora_rank": 8, "warmup": 0.3})
    # A queued trial counts before it is asked for, so nine more are asked for than numbers left.
    go_on(study, search(sampler={"type": "nsgaii", "population_size": 4}), FLAT, 10)
    assert [trial.system_attrs[GENERATION] for trial in study.trials] == [0] * 4 + [1] * 4 + [2]


def test_trials_of_an_older_sweep_can_be_parents():
    study = new_study(2)
    older = {"beta": 0.2, "learning_rate": 2e-3, "lora_rank": 8, "warmup": 0.3}
    params, ranges = recorded(FLAT, older)
    for _ in range(4):
        study.add_trial(
            optuna.create_trial(
                params=params,
                distributions=ranges,
                values=[1.0, 0.0],
                system_attrs=FIRST_GENERATION,
            )
        )
    sampler = {"type": "nsgaii", "population_size": 4, "mutation_prob": 0.0}
    (child,) = go_on(study, search(sampler=sampler), FLAT, 5)
    assert child == pytest.approx(older)


@pytest.mark.parametrize(
    ("settings", "space", "kind"),
    [
        ({"sampler": "tpe"}, TREE, TPESampler),
        ({"sampler": {"type": "tpe", "multivariate": False}}, TREE, TPESampler),
        ({"sampler": {"type": "tpe", "n_ei_candidates": 5}}, FLAT, TPESampler),
        ({"sampler": {"type": "gp", "deterministic_objective": True}}, FLAT, GPSampler),
        ({"sampler": {"type": "nsgaii", "crossover_prob": 0.5}}, FLAT, OrderedNSGAII),
        ({"sampler": "random"}, FLAT, RandomSampler),
        ({"sampler": "grid"}, FLAT, RandomSampler),
    ],
)
def test_every_sampler_takes_its_options_without_a_warning(settings, space, kind):
    """Warnings are errors in these tests."""
    config = search(**settings)
    assert type(make_sampler(config, space, 3)) is kind
    go_on(new_study(), config, space, 6)


def test_independent_tpe_searches_a_tree_as_well():
    config = search(sampler={"type": "tpe", "multivariate": False})
    study = new_study()
    go_on(study, config, TREE, 20)
    assert study.trials[-1].params.keys() <= {
        "loss_type",
        "beta[loss_type=sigmoid]",
        "beta[loss_type=ipo]",
        "learning_rate",
    }


def test_seeds_of_neighbours_share_nothing():
    seeds = {derived_seed(seed, number) for seed in range(30) for number in range(30)}
    assert len(seeds) == 900
