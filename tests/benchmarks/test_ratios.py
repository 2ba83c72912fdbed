import pytest

from benchmarks.ratios import Bar, bars, over_floor
from benchmarks.task import Observed, Quality
from benchmarks.timeline import Timeline


def run(
    *,
    end: float,
    ended: tuple[float, ...] = (1, 2),
    gaps: tuple[float, ...] = (),
    accuracy: float | None = None,
) -> Timeline:
    whole = () if accuracy is None else (Quality(accuracy=accuracy, margin=1.0),)
    return Timeline(0.0, end, Observed(first_step=1.0, ended=ended, gaps=gaps, whole=whole))


def test_a_further_trial_is_compared_with_the_documented_pattern() -> None:
    measured = {"a": run(end=9, ended=(1, 2, 3)), "b": run(end=90, ended=(10, 45))}
    (found,) = bars({"marginal": measured})
    assert (found.value, found.met, found.rule) == (35.0, True, "expected >= 10")


def test_a_whole_sweep_is_compared_with_both_loops() -> None:
    measured = {
        "a": run(end=100, ended=(40, 90)),
        "c": run(end=110, ended=(50, 105)),
        "d": run(end=150, ended=(50, 145)),
    }
    plain, optuna = bars({"total": measured})
    assert (plain.value, plain.met, plain.rule) == (1.1, False, "expected >= 1.3")
    assert (optuna.value, optuna.met) == (1.5, True)


def test_stopping_early_on_the_wide_model_is_held_against_loops_with_and_without_it() -> None:
    measured = {
        "a": run(end=100, accuracy=0.9),
        "c": run(end=160),
        "d": run(end=140),
        "a+": run(end=60, accuracy=0.85),
        "d+": run(end=120),
    }
    found = {bar.name: (round(bar.value, 3), bar.met) for bar in bars({"wide": measured})}
    assert found == {
        "Wide, equal training, total, (c) / (a)": (1.6, True),
        "Wide, equal training, total, (d) / (a)": (1.4, False),
        "Wide, (a) alone stopping early, total, (c) / (a)+": (2.667, True),
        "Wide, (a) alone stopping early, total, (d) / (a)+": (2.333, False),
        "Wide, both stopping early, total, (d)+ / (a)+": (2.0, True),
        "Best accuracy lost by stopping early, wide": (0.05, False),
    }


def test_a_better_end_than_without_stopping_has_lost_nothing() -> None:
    measured = {"a": run(end=100, accuracy=0.9), "a+": run(end=60, accuracy=0.95)}
    (found,) = bars({"total": measured})
    assert (found.value, found.met) == (pytest.approx(-0.05), True)


def test_the_floor_is_compared_by_a_further_trial() -> None:
    measured = {"a": run(end=99, ended=(10, 40)), "e": run(end=50, ended=(10, 30))}
    (found,) = bars({"wide": measured})
    assert (found.value, found.met, found.rule) == (1.5, True, "expected <= 2")
    assert over_floor(measured["a"], {"a": measured["a"]}) is None


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
