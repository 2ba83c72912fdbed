"""When memory runs out, a trial runs with half as many pairs at a time, then fails."""

import os
import socket
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from dpo_ray.data.trial_files import HALVED
from dpo_ray.training.dpo import PreparedDPOTrainer
from dpo_ray.training.memory import micro_batch, ran_out
from dpo_ray.training.trial import run_trial
from tests.conftest import ROOT
from tests.training.conftest import InProcessMailbox


def no_room_on_the_card():
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def no_room_in_memory():
    torch.empty(2**62, dtype=torch.uint8)


@pytest.fixture
def run_out(monkeypatch):
    """Have memory run out in one forward pass, or in every one with so many pairs or more."""
    whole = PreparedDPOTrainer.training_step

    def plan(cause, at=None, pairs=10**9):
        passes = []

        def step(self, model, inputs, *others):
            passes.append(len(inputs["input_ids"]) // 2)
            if len(passes) == at or passes[-1] >= pairs:
                cause()
            return whole(self, model, inputs, *others)

        monkeypatch.setattr(PreparedDPOTrainer, "training_step", step)

    return plan


@pytest.mark.parametrize("cause", [no_room_on_the_card, no_room_in_memory])
def test_a_trial_that_ran_out_of_memory_is_the_one_with_half_the_pairs_at_a_time(
    make_job, desk, tmp_path, run_out, cause
):
    halves, struck = InProcessMailbox(), InProcessMailbox()
    run_trial(make_job(tmp_path / "a", "training.gradient_accumulation=2"), 1, desk, halves)
    run_out(cause, at=6)
    outcome = run_trial(make_job(tmp_path / "b"), 2, desk, struck)
    assert outcome.state == "COMPLETED"
    assert outcome.reason == "ran all its steps; out of memory: with 16 pairs at a time, so 8"
    assert outcome.timings["micro_batch"] == 8.0
    assert [step for step, _ in struck.logs] == [*range(1, 6), *range(1, 9)]
    assert struck.logs[5:] == halves.logs
    assert struck.rungs[1:] == halves.rungs


def test_half_the_pairs_are_kept_to_when_the_trial_goes_on(make_job, desk, tmp_path, run_out):
    whole, cut, rest = (InProcessMailbox() for _ in range(3))
    cut.at_rungs = {4: "cancel"}
    run_trial(make_job(tmp_path / "a", "training.gradient_accumulation=2"), 1, desk, whole)
    run_out(no_room_on_the_card, at=2)
    job = make_job(tmp_path / "b")
    assert run_trial(job, 2, desk, cut).state == "KILLED"
    outcome = run_trial(replace(job, resume=True, seen_log=4), 3, desk, rest)
    assert (rest.began_at, outcome.timings["micro_batch"]) == (4, 8.0)
    assert cut.logs[1:] + rest.logs == whole.logs


def test_what_does_not_fit_by_halves_fails_and_the_next_trial_is_well(
    make_job, desk, tmp_path, run_out
):
    run_out(no_room_on_the_card, pairs=8)
    outcome = run_trial(make_job(tmp_path / "a"), 1, desk, InProcessMailbox())
    assert outcome.state == "FAILED"
    assert outcome.reason == "out of memory: with 16 pairs at a time, and with 8"
    assert not outcome.by_limits
    small = make_job(tmp_path / "b", "training.gradient_accumulation=4")
    assert run_trial(small, 2, desk, InProcessMailbox()).state == "COMPLETED"


def test_an_odd_number_of_pairs_has_no_half(make_job, desk, tmp_path, run_out):
    run_out(no_room_on_the_card, at=1)
    outcome = run_trial(make_job(tmp_path, batch_size=3), 1, desk, InProcessMailbox())
    assert outcome.reason == "out of memory: with 3 pairs at a time, which is odd and has no half"


def test_pairs_at_a_time_are_a_workers(make_job, tmp_path):
    job = make_job(tmp_path, "training.gradient_accumulation=2")
    assert (micro_batch(job, world=1), micro_batch(job, world=2)) == (8, 4)


def test_other_errors_are_not_taken_for_it():
    assert not ran_out(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not ran_out(MemoryError())


@pytest.mark.slow
def test_one_rank_that_runs_out_has_its_group_begin_again_once(make_job, tmp_path):
    job = make_job(tmp_path)
    first = run_two_ranks(job, tmp_path)
    assert first == ["", ""]
    assert (job.folder / HALVED).exists()
    again = run_two_ranks(replace(job, resume=True), tmp_path)
    assert again == ["", "FAILED: out of memory: with 8 pairs at a time, and with 4"]


def run_two_ranks(job, tmp_path):
    """Run a trial in two processes of which rank 1 runs out of memory in its third pass.

    Returns what each told its mailbox as the end; both processes break.
    """
    import ray.cloudpickle as pickle

    task = tmp_path / "task.pickle"
    task.write_bytes(pickle.dumps(job))
    port = str(free_port())
    group = []
    for rank, last in enumerate([10**6, 3]):
        answer = tmp_path / f"answer-{rank}"
        answer.write_text("")
        places = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
        env = {**os.environ, **places, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        command = [sys.executable, "-m", "tests.training.one_rank", str(task), str(answer)]
        group.append(
            subprocess.Popen([*command, str(last)], cwd=ROOT, env=env, stderr=subprocess.PIPE)
        )
    errors = [process.communicate(timeout=200)[1].decode() for process in group]
    assert "OutOfMemory: out of memory" in errors[1]
    assert all(process.returncode != 0 for process in group)
    return [(tmp_path / f"answer-{rank}").read_text() for rank in range(2)]


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
