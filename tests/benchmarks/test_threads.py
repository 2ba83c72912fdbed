from benchmarks.comparisons import comparisons
from benchmarks.task import Observed
from benchmarks.threads import Threads, faster
from benchmarks.timeline import Timeline


def timeline(further: float) -> Timeline:
    return Timeline(0.0, 99.0, Observed(first_step=1.0, ended=(10.0, 10.0 + further)))


def test_the_way_with_the_quicker_further_trial_is_taken_whatever_the_start_cost() -> None:
    assert faster(timeline(2.0), timeline(3.0)) == 1
    assert faster(timeline(3.0), timeline(2.0)) is None


def test_nobody_chooses_for_ray() -> None:
    threads = Threads(comparisons(quick=True, only="wide")[0])
    assert threads.of("a") is None
    assert threads.of("a+") is None
    assert threads.of("b") is None


def test_a_rehearsal_is_two_short_trials_of_the_same_model_that_nobody_judges() -> None:
    (wide,) = comparisons(quick=False, only="wide")
    short = wide.rehearsal("c")
    assert (short.trials, short.larger, short.rungs("c")) == ({"c": 2}, True, ())
    assert short.overrides("c")[-1] == "search.trials=2"
    assert short.overrides("c").index("training.max_steps=12") > 0
