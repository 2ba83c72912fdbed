from types import SimpleNamespace

import pytest
from ray.tune.schedulers import FIFOScheduler

from dpo_ray.config.scheduler import SchedulerConfig
from dpo_ray.search.schedulers import RungASHA, make_scheduler
from dpo_ray.search.study import PROPOSAL

RUNGS = (0.25, 0.5, 1.0)


def asha(mode="max", reduction_factor=2, grace_trials=1):
    scheduler = RungASHA(
        RUNGS,
        metric="eval/win_rate",
        mode=mode,
        reduction_factor=reduction_factor,
        grace_trials=grace_trials,
    )
    return scheduler, Sweep(scheduler)


class Sweep:
    """Reports rungs of numbered trials to a scheduler."""

    def __init__(self, scheduler):
        self._scheduler = scheduler
        self._trials = {}

    def reach(self, number, fraction, value):
        if number not in self._trials:
            trial = SimpleNamespace(trial_id=str(number), config={PROPOSAL: {"trial": number}})
            self._trials[number] = trial
            self._scheduler.on_trial_add(None, trial)
        result = {"fraction": fraction, "eval/win_rate": value}
        return self._scheduler.on_trial_result(None, self._trials[number], result)


def test_rungs_stand_where_trials_are_evaluated():
    scheduler, _ = asha()
    assert [at for at, _ in scheduler._brackets[0]._rungs] == [0.5, 0.25]


def test_a_trial_below_the_median_of_its_rung_is_stopped():
    _, sweep = asha()
    assert [sweep.reach(number, 0.25, value) for number, value in enumerate((0.5, 0.7, 0.9))] == [
        "CONTINUE",
        "CONTINUE",
        "CONTINUE",
    ]
    assert sweep.reach(3, 0.25, 0.69) == "STOP"
    assert sweep.reach(4, 0.25, 0.71) == "CONTINUE"


def test_each_rung_compares_its_own_values():
    _, sweep = asha()
    sweep.reach(0, 0.25, 0.5)
    sweep.reach(0, 0.5, 0.9)
    assert sweep.reach(1, 0.25, 0.6) == "CONTINUE"
    assert sweep.reach(1, 0.5, 0.6) == "STOP"


def test_the_control_trial_is_never_stopped():
    scheduler, sweep = asha()
    sweep.reach(1, 0.25, 0.9)
    assert sweep.reach(0, 0.25, 0.1) == "CONTINUE"
    assert scheduler.reasons["0"] == "the control trial is never stopped"


def test_a_rung_stops_nobody_before_enough_trials_have_passed_it():
    scheduler, sweep = asha(grace_trials=3)
    values = (0.9, 0.1, 0.1, 0.1)
    decisions = [sweep.reach(number, 0.25, value) for number, value in enumerate(values, start=1)]
    assert decisions == ["CONTINUE", "CONTINUE", "CONTINUE", "CONTINUE"]
    assert scheduler.reasons["3"] == "among the first 3 at this rung"
    assert sweep.reach(5, 0.25, 0.05) == "STOP"
    assert scheduler.reasons["5"] == "win_rate 0.050, cutoff 0.100 after 4 trials"


def test_the_last_rung_stops_nobody():
    _, sweep = asha()
    sweep.reach(1, 1.0, 0.9)
    assert sweep.reach(2, 1.0, 0.1) == "CONTINUE"


def test_a_minimised_metric_stops_the_larger_values():
    scheduler, sweep = asha(mode="min")
    sweep.reach(1, 0.25, 2.0)
    assert sweep.reach(2, 0.25, 3.0) == "STOP"
    assert scheduler.reasons["2"] == "win_rate 3.000, cutoff 2.000 after 1 trials"
    assert sweep.reach(3, 0.25, 1.0) == "CONTINUE"


def test_a_higher_reduction_factor_keeps_fewer():
    _, sweep = asha(reduction_factor=4, grace_trials=1)
    for number in range(1, 9):
        sweep.reach(number, 0.25, number / 10)
    assert sweep.reach(9, 0.25, 0.6) == "STOP"
    assert sweep.reach(10, 0.25, 0.85) == "CONTINUE"


def test_none_lets_every_trial_run_to_its_end():
    config = SchedulerConfig(type="none")
    scheduler = make_scheduler(config, RUNGS, metric="eval/win_rate", mode="max")
    assert isinstance(scheduler, FIFOScheduler)


@pytest.mark.parametrize("fractions", [(1.0,), (0.5, 1.0)])
def test_any_number_of_rungs_will_do(fractions):
    config = SchedulerConfig(reduction_factor=3)
    scheduler = make_scheduler(config, fractions, metric="eval/win_rate", mode="max")
    assert len(scheduler._brackets[0]._rungs) == len(fractions) - 1
