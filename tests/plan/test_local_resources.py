import os

import pytest

from dpo_ray.cluster.resources import measure_local, usable_cpus


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """Put a small program called nvidia-smi before everything else on the path."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def _install(body: str) -> None:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\n{body}\n")
        program.chmod(0o755)

    return _install


def test_cpus_are_those_this_process_may_use(tmp_path):
    assert usable_cpus(tmp_path) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(("quota", "limited"), [("50000 100000", True), ("max 100000", False)])
def test_a_containers_quota_counts(tmp_path, quota, limited):
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert usable_cpus(tmp_path) == (0.5 if limited else len(os.sched_getaffinity(0)))


@pytest.mark.parametrize(("quota", "limited"), [("50000", True), ("-1", False)])
def test_an_older_containers_quota_counts(tmp_path, quota, limited):
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text(quota + "\n")
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    assert usable_cpus(tmp_path) == (0.5 if limited else len(os.sched_getaffinity(0)))


def test_gpus_are_those_nvidia_smi_lists(nvidia_smi):
    nvidia_smi("echo NVIDIA H100; echo NVIDIA H100")
    found = measure_local()
    assert (found.gpus, found.gpu_name, found.where) == (2, "NVIDIA H100", "this machine")


@pytest.mark.parametrize(("visible", "count"), [("", 0), ("-1", 0), ("0", 1), ("0,1", 2)])
def test_gpus_hidden_from_cuda_do_not_count(nvidia_smi, monkeypatch, visible, count):
    nvidia_smi("echo NVIDIA H100; echo NVIDIA H100")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert measure_local().gpus == count


def test_a_failing_driver_is_said_not_hidden(nvidia_smi):
    nvidia_smi("echo 'NVIDIA-SMI has failed'; exit 9")
    found = measure_local()
    assert found.gpus == 0
    assert found.where == "this machine (nvidia-smi failed, so no GPU is counted)"


def test_a_hanging_driver_holds_the_plan_up_for_seconds_only(nvidia_smi):
    nvidia_smi("exec sleep 60")
    found = measure_local()
    assert "nvidia-smi did not answer within 3 s" in found.where


def test_without_a_driver_there_is_no_gpu_and_no_fuss(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = measure_local()
    assert (found.gpus, found.gpu_name, found.where) == (0, None, "this machine")
