import json
from pathlib import Path

import pytest

from benchmarks.comparisons import SPACE, SWEEP, Name, comparisons
from benchmarks.drawing import draw_configurations, write_raw_pairs
from benchmarks.measuring import on_gpus
from dpo_ray.plan import Plan, make_plan


def plan(trials: int) -> Plan:
    shown = comparisons(quick=True, only="marginal")[0].overrides("a")
    overrides = (*shown, f"search.trials={trials}")
    return make_plan(SPACE, SWEEP, overrides)


def test_the_list_begins_with_the_control_and_stays_inside_the_space() -> None:
    first, *others = draw_configurations(plan(5))
    assert first == plan(5).control
    assert all(0.1 <= each["beta"] <= 0.5 for each in others)
    assert len({each["beta"] for each in others}) == 4


def test_a_shorter_list_is_the_beginning_of_a_longer_one() -> None:
    assert draw_configurations(plan(3)) == draw_configurations(plan(8))[:3]


def test_the_raw_pairs_are_those_the_platform_trains_on(tmp_path: Path) -> None:
    target = tmp_path / "train.jsonl"
    write_raw_pairs(plan(1), "train", target)
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert rows[0].keys() == {"prompt", "chosen", "rejected"}
    assert 800 < len(rows) < 1100  # 60 % of 1600, split by prompt


def test_no_more_held_out_pairs_are_written_than_asked_for(tmp_path: Path) -> None:
    few = write_raw_pairs(plan(1), "validation", tmp_path / "few.jsonl", 5).read_text()
    many = write_raw_pairs(plan(1), "validation", tmp_path / "many.jsonl").read_text()
    assert len(few.splitlines()) == 5
    assert many.startswith(few)


@pytest.mark.parametrize("only", ["marginal", "total", "wide"])
def test_every_pattern_of_a_table_runs_enough_trials_for_a_slope(only: Name) -> None:
    for quick in (True, False):
        (comparison,) = comparisons(quick, only)
        assert comparison.name == only
        assert min(comparison.trials.values()) >= 2


def test_only_a_line_that_stops_early_is_judged_before_its_end() -> None:
    (total,) = comparisons(quick=False, only="total")
    assert total.rungs("a") == total.rungs("c") == (1.0,)
    assert total.rungs("a+") == total.rungs("d+") == (0.1111, 0.3333, 1.0)
    assert make_plan(SPACE, SWEEP, total.overrides("a")).sweep.search.scheduler.type == "none"
    halved = make_plan(SPACE, SWEEP, total.overrides("a+")).sweep
    assert (halved.search.scheduler.type, halved.search.scheduler.reduction_factor) == ("asha", 3)
    assert halved.evaluation.at == [0.1111, 0.3333, 1.0]
    assert halved.objective[0].metric == "accuracy"


def test_all_lines_of_a_table_run_the_beginning_of_one_list() -> None:
    (wide,) = comparisons(quick=False, only="wide")
    drawn = {
        row: draw_configurations(make_plan(SPACE, SWEEP, wide.overrides(row)))
        for row in wide.trials
    }
    assert all(each == drawn["a"][: len(each)] for each in drawn.values())
    assert {len(each) for row, each in drawn.items() if row != "b"} == {8}


def test_both_slots_train_on_a_gpu_where_there_is_one() -> None:
    assert on_gpus(0) == ()
    assert on_gpus(1) == ("resources.gpus_per_worker=0.5",)
    assert on_gpus(4) == ("resources.gpus_per_worker=1.0",)
