import pytest

from dpo_ray.cost import estimate_seconds
from dpo_ray.plan import Available, check_resources

TWO_CPUS = Available(2.0, 0, None, "this machine")
TOY = 440_000


def estimate(plan, available=TWO_CPUS, parameters=TOY):
    return estimate_seconds(plan, parameters, check_resources(plan, available))


def test_the_shipped_sweep_is_a_matter_of_minutes(shipped):
    found = estimate(shipped())
    assert 60 < found.low < found.high < 300


def test_without_early_stopping_there_is_nothing_to_save(shipped):
    found = estimate(shipped("search.scheduler.type=none"))
    assert found.low == found.high


@pytest.mark.parametrize(
    "override",
    [
        "training.max_steps=120",
        "search.trials=24",
        "search.concurrent=1",
        "evaluation.prompts=512",
        "evaluation.temperature=0.5",
        "data.max_length=1024",
    ],
)
def test_more_work_takes_longer(shipped, override):
    assert estimate(shipped(override)).high > estimate(shipped()).high


def test_a_gpu_shortens_a_large_model(shipped):
    plan, gpus = shipped(), Available(16.0, 2, "NVIDIA H100", "this machine")
    assert estimate(plan, gpus, 135_000_000).high < estimate(plan, TWO_CPUS, 135_000_000).high / 10


def test_a_guess_is_not_made_where_size_or_length_is_unknown(shipped):
    assert estimate(shipped(), parameters=None) is None
    assert estimate(shipped("training.max_steps=null")) is None
    assert estimate(shipped("training.max_steps=null", "data.limit=1000")) is not None
