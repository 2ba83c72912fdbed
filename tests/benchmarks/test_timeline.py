import pytest

from benchmarks.task import Observed, Quality
from benchmarks.timeline import Timeline, ratio


def timeline(*ended: float, finished: float = 100.0, gaps: tuple[float, ...] = ()) -> Timeline:
    return Timeline(10.0, finished, Observed(first_step=22.0, ended=ended, gaps=gaps))


def test_start_up_lasts_from_the_process_to_its_first_step() -> None:
    assert timeline(30.0).start_up == 12.0


def test_the_total_holds_start_up_and_clean_up_and_is_shared_by_all_trials() -> None:
    three = timeline(30.0, 40.0, 55.0)
    assert three.total == 90.0
    assert three.per_trial == 30.0


def test_a_further_trial_costs_what_lies_between_trial_ends_alone() -> None:
    assert timeline(30.0, 34.0, 44.0).marginal == 7.0
    assert timeline(30.0, 34.0, 44.0, finished=1000.0).marginal == 7.0


def test_one_trial_tells_nothing_about_a_further_one() -> None:
    assert timeline(30.0).marginal is None


def test_of_trials_that_run_together_the_first_ones_end_together_and_tell_nothing() -> None:
    # Two slots, ten seconds a trial: each further one adds five.
    seen = Observed(first_step=22.0, ended=(30, 30, 40, 40, 50, 50), together=2)
    assert Timeline(10.0, 60.0, seen).marginal == 5.0
    assert Timeline(10.0, 60.0, seen.model_copy(update={"ended": (30, 30)})).marginal is None


def test_the_best_policy_is_the_most_accurate_and_of_equals_the_one_with_the_largest_margin() -> (
    None
):
    found = [(0.8, 9.0), (0.9, 2.0), (0.9, 3.0)]
    whole = tuple(Quality(accuracy=accuracy, margin=margin) for accuracy, margin in found)
    seen = Observed(first_step=22.0, ended=(30.0,), whole=whole)
    assert Timeline(10.0, 60.0, seen).best == whole[2]
    assert timeline(30.0).best is None


def test_gaps_are_summed_up_by_their_median_and_their_worst() -> None:
    gaps = timeline(30.0, gaps=(0.5, 2.0, 0.75))
    assert (gaps.median_gap, gaps.largest_gap) == (0.75, 2.0)
    assert (timeline(30.0).median_gap, timeline(30.0).largest_gap) == (None, None)


@pytest.mark.parametrize(
    ("over", "under", "expected"), [(12.0, 3.0, 4.0), (None, 3.0, None), (12.0, None, None)]
)
def test_a_ratio_needs_both_sides(
    over: float | None, under: float | None, expected: float | None
) -> None:
    assert ratio(over, under) == expected
