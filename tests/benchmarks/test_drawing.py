import json
from pathlib import Path

import pytest

from benchmarks.comparisons import SPACE, SWEEP, Name, comparisons
from benchmarks.drawing import draw_configurations, write_training_pairs
from dpo_ray.plan import Plan, make_plan


def plan(trials: int) -> Plan:
    overrides = (*comparisons(quick=True, only="marginal")[0].overrides, f"search.trials={trials}")
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
    write_training_pairs(plan(1), target)
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert rows[0].keys() == {"prompt", "chosen", "rejected"}
    assert 800 < len(rows) < 1100  # 60 % of 1600, split by prompt


@pytest.mark.parametrize("only", ["marginal", "total"])
def test_every_pattern_of_a_table_runs_enough_trials_for_a_slope(only: Name) -> None:
    for quick in (True, False):
        (comparison,) = comparisons(quick, only)
        assert comparison.name == only
        assert min(comparison.trials.values()) >= 2
