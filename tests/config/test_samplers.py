import inspect

import optuna
import pytest
from pydantic import ValidationError

from dpo_ray.config.loading import load_sweep
from dpo_ray.config.samplers import GpConfig, NsgaiiConfig, TpeConfig
from dpo_ray.config.search import SearchConfig
from dpo_ray.errors import ConfigError


@pytest.mark.parametrize("word", ["tpe", "gp", "random", "nsgaii", "grid"])
def test_a_word_is_a_sampler_with_its_defaults(word):
    by_word = SearchConfig.model_validate({"sampler": word})
    assert by_word.sampler.type == word
    assert by_word == SearchConfig.model_validate({"sampler": {"type": word}})


@pytest.mark.parametrize(
    ("config", "sampler"),
    [
        (TpeConfig, optuna.samplers.TPESampler),
        (GpConfig, optuna.samplers.GPSampler),
        (NsgaiiConfig, optuna.samplers.NSGAIISampler),
    ],
)
def test_options_have_optunas_names_and_but_for_a_small_population_its_defaults(config, sampler):
    known = inspect.signature(sampler).parameters
    for name, field in config.model_fields.items():
        if name not in ("type", "population_size"):
            assert field.default == known[name].default


def test_an_override_may_be_a_word_or_a_map(write):
    path = write("s.yaml", "search: {sampler: {type: tpe, n_ei_candidates: 48}}\n")
    assert load_sweep(path).search.sampler == TpeConfig(n_ei_candidates=48)
    assert load_sweep(path, ["search.sampler=random"]).search.sampler.type == "random"
    mapped = load_sweep(path, ["search.sampler={type: grid, points: 3}"]).search.sampler
    assert (mapped.type, mapped.points) == ("grid", 3)


@pytest.mark.parametrize(
    ("search", "message"),
    [
        (
            "{sampler: cmaes}",
            's.yaml:1: search.sampler: unknown value, got "cmaes"; '
            "allowed: tpe, gp, random, nsgaii, grid",
        ),
        (
            "{sampler: {type: random, sed: 3}}",
            "s.yaml:1: search.sampler.sed: unknown key; allowed: type",
        ),
        (
            "{sampler: {type: nsgaii, population_size: 12}}",
            "s.yaml:1: search.sampler.population_size: nsgaii draws its first generation at "
            "random, so population_size must be below search.trials, got 12 for 12",
        ),
        (
            "{sampler: nsgaii, trials: 8}",
            "s.yaml:1: search.trials: nsgaii draws its first generation at random, so "
            "population_size must be below search.trials, got 10 for 8",
        ),
        (
            "{sampler: grid, warm_start: older}",
            "s.yaml:1: search.warm_start: a grid learns nothing and tries only its own points, so "
            "another sweep cannot help it, got older; use search.try_first",
        ),
        (
            "{full_trials: 5, trials: 4}",
            "s.yaml:1: search.full_trials: must be at most search.trials, got 5 of 4",
        ),
        (
            "{try_first: [{beta: 0.2}, {beta: 0.3}], trials: 2}",
            "s.yaml:1: search.try_first: search.trials must hold the control trial and all of "
            "try_first, got 2 + 1 for 2",
        ),
        (
            "{scheduler: {metric: win_rat}}",
            's.yaml:1: search.scheduler.metric: unknown metric, got "win_rat"; '
            "did you mean win_rate? allowed: win_rate, win_rate_length_controlled, gold_reward, "
            "kl, accuracy, logratio_margin, rewards/margins, loss",
        ),
    ],
)
def test_a_search_that_could_not_work_is_refused_in_these_words(write, search, message):
    with pytest.raises(ConfigError) as caught:
        load_sweep(write("s.yaml", f"search: {search}\n"))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "sampler",
    [
        {"type": "tpe", "n_ei_candidates": 0},
        {"type": "nsgaii", "population_size": 1},
        {"type": "nsgaii", "mutation_prob": 1.5},
        {"type": "grid", "points": 1},
        {},
        5,
    ],
)
def test_options_that_optuna_would_choke_on_are_refused(sampler):
    with pytest.raises(ValidationError):
        SearchConfig.model_validate({"sampler": sampler})
