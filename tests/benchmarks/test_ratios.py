from benchmarks.ratios import Bar, bars
from benchmarks.task import Observed
from benchmarks.timeline import Timeline


def run(*, end: float, ended: tuple[float, ...], gaps: tuple[float, ...] = ()) -> Timeline:
    return Timeline(0.0, end, Observed(first_step=1.0, ended=ended, gaps=gaps))


def test_a_further_trial_is_compared_with_the_documented_pattern() -> None:
    measured = {"a": run(end=9, ended=(1, 2, 3)), "b": run(end=90, ended=(10, 45))}
    (found,) = bars({"marginal": measured})
    assert (found.value, found.met, found.rule) == (35.0, True, "expected >= 10")


def test_a_whole_sweep_is_compared_with_the_plain_loop() -> None:
    measured = {"a": run(end=100, ended=(40, 90)), "c": run(end=110, ended=(50, 105))}
    (found,) = bars({"total": measured})
    assert (found.value, found.met) == (1.1, False)


def test_the_largest_gap_is_held_against_its_bar_wherever_the_platform_ran() -> None:
    slow = run(end=9, ended=(1, 2), gaps=(0.4, 1.6))
    quick = run(end=9, ended=(1, 2), gaps=(0.4, 1.4))
    assert [bar.met for bar in bars({"marginal": {"a": slow}, "total": {"a": quick}})] == [
        False,
        True,
    ]


def test_what_was_not_measured_is_not_compared() -> None:
    assert bars({}) == []
    assert bars({"marginal": {"b": run(end=9, ended=(1, 2))}}) == []


def test_a_value_on_the_bar_meets_it() -> None:
    assert Bar("x", 1.5, "<=", 1.5).met
    assert Bar("x", 10.0, ">=", 10).met
