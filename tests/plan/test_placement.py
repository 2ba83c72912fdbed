import pytest

from dpo_ray.errors import ConfigError
from dpo_ray.plan import Available, check_resources

TWO_CPUS = Available(2.0, 0, None, "this machine")
ONE_GPU = Available(16.0, 1, "NVIDIA H100", "this machine")
TWO_GPUS = Available(16.0, 2, "NVIDIA H100", "this machine")


def test_the_shipped_sweep_fits_on_two_cpus(shipped):
    placement = check_resources(shipped(), TWO_CPUS)
    assert (placement.cpus_asked, placement.gpus_per_worker, placement.device) == (1.82, 0.0, "cpu")


def test_too_many_cpus_are_refused_naming_asked_and_available(shipped):
    plan = shipped("resources.cpus_per_worker=99")
    with pytest.raises(ConfigError) as refusal:
        check_resources(plan, TWO_CPUS)
    assert str(refusal.value) == (
        f"{plan.sweep_path}: 2 trials at once x 1 workers x 99 CPUs, 0.01 for each trial itself, "
        "ask for 198.02 CPUs, this machine has 2; "
        "lower search.concurrent, resources.workers or resources.cpus_per_worker"
    )


def test_a_gpu_that_is_not_there_is_refused_naming_asked_and_available(shipped):
    plan = shipped("resources.gpus_per_worker=1")
    with pytest.raises(ConfigError) as refusal:
        check_resources(plan, TWO_CPUS)
    assert str(refusal.value) == (
        f"{plan.sweep_path}: 2 trials at once x 1 workers x 1 GPUs ask for 2 GPUs, "
        "this machine has 0; lower search.concurrent, resources.workers or "
        "resources.gpus_per_worker (0: CPU only)"
    )


@pytest.mark.parametrize(
    ("available", "overrides", "gpus"),
    [
        (TWO_GPUS, [], 1.0),  # one for each of two slots
        (ONE_GPU, [], 0.0),  # not enough for both
        (ONE_GPU, ["search.concurrent=1"], 1.0),
        (TWO_GPUS, ["resources.workers=2"], 0.0),
        (TWO_GPUS, ["resources.gpus_per_worker=0"], 0.0),
        (ONE_GPU, ["resources.gpus_per_worker=0.5"], 0.5),
        (TWO_GPUS, ["resources.gpus_per_worker=0.4", "search.concurrent=4"], 0.4),
    ],
)
def test_a_worker_gets_a_whole_gpu_where_there_are_enough_or_what_it_asks(
    shipped, available, overrides, gpus
):
    placement = check_resources(shipped(*overrides), available)
    assert placement.gpus_per_worker == gpus
    assert placement.device == ("cuda" if gpus else "cpu")


def test_a_worker_never_spans_parts_of_two_gpus(shipped):
    plan = shipped("resources.gpus_per_worker=0.6", "search.concurrent=3")  # 1.8 of 2, yet no room
    with pytest.raises(ConfigError, match=r"ask for 1.8 GPUs, this machine has 2"):
        check_resources(plan, TWO_GPUS)
