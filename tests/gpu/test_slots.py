"""Slots that share a GPU, and ranks that have one each."""

import os
import subprocess
import sys

import pytest

from dpo_ray.slots.pool import SlotPool
from dpo_ray.slots.slot import SlotShape
from dpo_ray.tracking.journal import read_journal
from dpo_ray.tracking.state import fold
from tests.conftest import ROOT, SMALL
from tests.gpu.needs import CUDA, on_gpu

CPU_ONLY = pytest.mark.skipif(CUDA, reason="the same with a half of a GPU is run")


@pytest.mark.slow
@pytest.mark.parametrize(
    "gpus", [pytest.param(0.0, marks=CPU_ONLY), pytest.param(0.5, marks=on_gpu(1))]
)
def test_two_slots_run_a_sweep_of_four_trials_on_halves_of_a_gpu(gpus, cluster, tmp_path):
    overrides = [*SMALL, f"resources.gpus_per_worker={gpus}", "search.trials=4"]
    options = [part for each in overrides for part in ("--set", each)]
    command = [sys.executable, "-m", "dpo_ray.sweep", "search_spaces/beta.yaml"]
    done = subprocess.run(
        [*command, "--store", str(tmp_path), "--name", "halves", *options],
        cwd=ROOT,
        env={**os.environ, "RAY_ADDRESS": cluster},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = fold(read_journal(tmp_path / "sweeps/halves/journal.jsonl")).trials.values()
    ended = {row.status for row in rows}
    assert (len(rows), ended <= {"COMPLETED", "STOPPED"}) == (4, True)
    assert len({row.slot for row in rows}) == 2


@pytest.mark.slow
@pytest.mark.parametrize("desk", [pytest.param("cuda", marks=on_gpu(2))], indirect=True)
def test_two_ranks_share_a_batch_over_nccl_and_end_together(desk, job, cluster, tmp_path):
    with SlotPool("nccl", 1, SlotShape(2, 0.9, 1.0, str(tmp_path / "train"))) as pool:
        outcome = pool.run(job())
    assert (outcome.state, outcome.step) == ("COMPLETED", 8)
    first, second = outcome.ranks
    assert first.step == second.step
    assert first.pid != second.pid
