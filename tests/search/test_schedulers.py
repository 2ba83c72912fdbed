"""Tune's side of early stopping: rungs in, verdicts out, and a past that can be put back."""

from types import SimpleNamespace

import pytest

from dpo_ray.config.sweep import SweepConfig
from dpo_ray.search.rung_book import rung_book
from dpo_ray.search.schedulers import RungScheduler
from dpo_ray.search.tune_keys import PROPOSAL
from dpo_ray.tracking.state import SweepState


def scheduler(trials=12, objective=None, **settings):
    settings = {"grace_trials": 1} | settings
    sweep = {"search": {"scheduler": settings}}
    if objective is not None:
        sweep["objective"] = objective
    return RungScheduler(rung_book(SweepConfig.model_validate(sweep), trials, SweepState()))


def reach(made, number, fraction, win_rate, **more):
    trial = SimpleNamespace(config={PROPOSAL: {"trial": number}})
    metrics = {f"eval/{name}": value for name, value in {"win_rate": win_rate, **more}.items()}
    result = {"fraction": fraction, "metrics": tuple(metrics.items())}
    return made.on_trial_result(None, trial, result)


def test_each_rung_compares_its_own_values():
    made = scheduler()
    reach(made, 1, 0.25, 0.5)
    reach(made, 1, 0.5, 0.9)
    assert reach(made, 2, 0.25, 0.6) == "CONTINUE"
    assert reach(made, 2, 0.5, 0.6) == "STOP"
    assert made.decisions[2].reason == "win_rate 0.600, cutoff 0.900 after 1 trials"


def test_what_was_put_back_counts_like_what_was_seen():
    seen, put_back = scheduler(grace_trials=3), scheduler(grace_trials=3)
    values = {1: (0.5, 0.7), 2: (0.6, 0.8), 3: (0.7, 0.9)}
    for number, (early, later) in values.items():
        for fraction, value in ((0.25, early), (0.5, later)):
            reach(seen, number, fraction, value)
            put_back._book.remember(number, fraction, {"eval/win_rate": value})
    for made in (seen, put_back):
        assert reach(made, 4, 0.25, 0.65) == "CONTINUE"
        assert reach(made, 5, 0.25, 0.55) == "STOP"
        assert made.decisions[5].reason == "win_rate 0.550, cutoff 0.625 after 4 trials"


def test_a_trial_that_goes_on_is_not_compared_with_itself():
    made = scheduler(type="median")
    made._book.remember(2, 0.25, {"eval/win_rate": 0.9})
    made._book.remember(1, 0.25, {"eval/win_rate": 0.5})
    made._book.remember(1, 0.5, {"eval/win_rate": 0.5})
    assert reach(made, 2, 0.5, 0.1) == "CONTINUE"
    assert made.decisions[2].reason == "best win_rate 0.900, cutoff 0.500 after 1 trials"


def test_of_two_objectives_the_first_decides_unless_a_metric_is_named():
    both = [{"metric": "win_rate"}, {"metric": "kl", "direction": "minimize"}]
    by_quality = scheduler(objective=both)
    reach(by_quality, 1, 0.25, 0.9, kl=1.0)
    assert reach(by_quality, 2, 0.25, 0.8, kl=0.1) == "STOP"
    by_kl = scheduler(objective=both, metric="kl")
    reach(by_kl, 1, 0.25, 0.9, kl=1.0)
    assert reach(by_kl, 2, 0.25, 0.8, kl=0.1) == "CONTINUE"
    assert reach(by_kl, 3, 0.25, 0.99, kl=2.0) == "STOP"
    assert by_kl.decisions[3].reason.startswith("kl 2.000, cutoff")


def test_a_penalised_objective_is_what_a_rung_compares():
    penalty = {"metric": "kl", "budget": 1.0, "weight": 0.1}
    made = scheduler(objective={"metric": "win_rate", "penalty": penalty})
    reach(made, 1, 0.25, 0.8, kl=1.0)
    assert reach(made, 2, 0.25, 0.85, kl=2.0) == "STOP"
    assert made.decisions[2].reason.startswith("penalised win_rate 0.750, cutoff 0.800")


@pytest.mark.parametrize("value", [None, float("nan")])
def test_a_rung_without_a_value_stops_nobody_and_counts_for_nobody(value):
    made = scheduler()
    assert reach(made, 1, 0.25, float("nan") if value is None else value) == "CONTINUE"
    assert reach(made, 2, 0.25, 0.1) == "CONTINUE"
    assert made.decisions[2].reason == "among the first 1 at this rung"


def test_the_result_that_says_a_trial_is_done_is_no_rung():
    made = scheduler()
    trial = SimpleNamespace(config={PROPOSAL: {"trial": 1}})
    assert made.on_trial_result(None, trial, {"repeat": True, "done": True}) == "CONTINUE"
    assert made.decisions == {}
