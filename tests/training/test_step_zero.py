import math
from dataclasses import replace

import datasets
import pytest
import torch

from dpo_ray.data.prepared import load_scored
from dpo_ray.evaluation.logps import collator_for
from dpo_ray.ranks import Ranks
from dpo_ray.reference.model import autocast
from dpo_ray.training.desk import Desk
from dpo_ray.training.dpo import build_trainer
from dpo_ray.training.policy import take_off
from dpo_ray.training.step_zero import FLOAT32_NATS, check_step_zero
from dpo_ray.training.trial import run_trial
from tests.training.conftest import InProcessMailbox


@pytest.fixture
def shifted(make_job, tmp_path):
    """A job whose stored scores are off by a hundredth of a nat on the chosen side."""
    job = make_job(tmp_path / "trials")
    folder = tmp_path / "scores"
    for split in ("train", "validation", "test"):
        scores = datasets.load_from_disk(str(job.prepared.scores / split))
        wrong = [value + 0.01 for value in scores["ref_chosen_logps"]]
        scores = scores.remove_columns("ref_chosen_logps").add_column("ref_chosen_logps", wrong)
        scores.save_to_disk(str(folder / split))
    return replace(job, prepared=replace(job.prepared, scores=folder))


def test_a_reference_that_is_a_hundredth_of_a_nat_off_ends_the_sweep(shifted, desk):
    outcome = run_trial(shifted, 1, desk, InProcessMailbox())
    assert (outcome.state, outcome.fatal, outcome.step) == ("FAILED", "reference", 0)
    assert "|D| = 0.01" in outcome.reason


def test_an_untrained_policy_passes_with_room_to_spare(make_job, desk, tmp_path):
    gap = step_zero_gap(make_job(tmp_path), desk, rows=64, batch_size=16)
    assert gap <= FLOAT32_NATS / 10


def test_bfloat16_needs_and_gets_a_wider_tolerance(make_job, tmp_path):
    desk = Desk(Ranks(), torch.device("cpu"))
    # Stored scores were taken in large batches; one row at a time takes other kernels.
    gap = step_zero_gap(make_job(tmp_path, "model.dtype=bfloat16"), desk, rows=128, batch_size=1)
    assert gap > FLOAT32_NATS


def test_the_loss_at_step_zero_is_ln_2(make_job, desk, tmp_path):
    mailbox = InProcessMailbox()
    run_trial(make_job(tmp_path), 1, desk, mailbox)
    assert mailbox.train("loss")[0] == pytest.approx(math.log(2), abs=1e-4)


def step_zero_gap(job, desk, rows, batch_size):
    """The largest |D| of an untrained policy, if none is above its tolerance."""
    trainer = build_trainer(
        desk.model(job.model),
        desk.tokenizer(job.model),
        desk.training_rows(job.prepared),
        job.training,
        max_length=job.max_length,
        dtype=job.model.dtype,
        workers=1,
        folder=job.folder,
    )
    collator = collator_for(desk.tokenizer(job.model), job.max_length)
    scored = load_scored(job.prepared, "train").select(range(rows)).to_list()
    batches = [scored[start : start + batch_size] for start in range(0, rows, batch_size)]
    with autocast(job.model.dtype, desk.device):
        gaps = [
            check_step_zero(trainer.model, batch, collator, job.training.beta, job.model.dtype)
            for batch in batches
        ]
    take_off(trainer)
    return max(gaps)
