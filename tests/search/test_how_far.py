"""How far the preparation is: counts at once, rate and rest when they mean something."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from dpo_ray.data.shards import Shard
from dpo_ray.search.how_far import HowFar
from dpo_ray.training.jobs import ShardJob


def job(stage: str, start: int, stop: int) -> ShardJob:
    return ShardJob(SimpleNamespace(rows=Path("rows")), stage, Shard("train", start, stop))


@pytest.fixture
def jobs() -> list[ShardJob]:
    return [*(job("scores", n, n + 100) for n in range(0, 400, 100)), job("completions", 0, 100)]


def test_counts_come_first_then_rate_and_remaining_time(jobs):
    clock = iter([10.0, 12.0, 14.0, 16.0, 18.0])
    how_far = HowFar(jobs, lambda: next(clock))
    lines = [how_far.step(each) for each in jobs]
    assert lines[0] == "scores 100/400 pairs, completions 0/100 answers"
    assert lines[1] == ("scores 200/400 pairs, completions 0/100 answers, 100/s, about 3 s left")
    assert lines[-1] == "scores 400/400 pairs, completions 100/100 answers"
