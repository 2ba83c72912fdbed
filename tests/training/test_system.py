"""What a worker uses, told at logging steps."""

import time

import psutil
import pytest
import torch

from dpo_ray.training.system import SystemMeter


def test_it_names_what_mlflows_system_tab_shows_and_measures_this_process():
    meter = SystemMeter(torch.device("cpu"))
    until = time.monotonic() + 0.3
    while time.monotonic() < until:
        pass
    used = meter()
    assert set(used) == {
        "system/cpu_utilization_percentage",
        "system/system_memory_usage_megabytes",
        "system/system_memory_usage_percentage",
        "system/process_memory_usage_megabytes",
    }
    assert used["system/cpu_utilization_percentage"] > 10
    resident = psutil.Process().memory_info().rss / 1e6
    assert used["system/process_memory_usage_megabytes"] == pytest.approx(resident, rel=0.1)
    assert used["system/system_memory_usage_megabytes"] > resident / 2


def test_it_is_cheap():
    meter = SystemMeter(torch.device("cpu"))
    began = time.process_time()
    for _ in range(100):
        meter()
    assert time.process_time() - began < 0.5


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_gpu_is_told_of_by_its_number():
    held = torch.zeros(64 * 2**20, device="cuda")
    used = SystemMeter(torch.device("cuda", 0))()
    assert used["system/gpu_0_memory_usage_megabytes"] > held.nbytes / 1e6
    assert 0 < used["system/gpu_0_memory_usage_percentage"] <= 100
