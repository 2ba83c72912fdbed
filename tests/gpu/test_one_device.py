"""One worker on one device: precision, and memory over many trials."""

import gc
import math

import pytest
import torch

from benchmarks.alone import GoesOn
from dpo_ray.training.step_zero import BFLOAT16_NATS
from dpo_ray.training.trial import run_trial
from tests.training.conftest import InProcessMailbox

LONGEST = 60
"""Completion tokens of a pair, more than any of the embedded language has."""


def test_a_bfloat16_trial_begins_as_the_reference_it_is_held_to(job, desk):
    made, mailbox = job("model.dtype=bfloat16"), InProcessMailbox()
    outcome = run_trial(made, 1, desk, mailbox)
    assert (outcome.state, outcome.reason) == ("COMPLETED", "ran all its steps")
    beta, nats = 0.1, BFLOAT16_NATS * math.sqrt(LONGEST)
    assert mailbox.train("loss")[0] == pytest.approx(math.log(2), abs=beta * nats)
    assert desk.model(made.model).dtype == torch.bfloat16


@pytest.mark.slow
def test_twenty_trials_need_the_memory_of_two(job, desk):
    made, held = job("training.max_steps=2", "evaluation.at=[1.0]"), []
    for number in range(1, 21):
        assert run_trial(made, number, desk, GoesOn()).state == "COMPLETED"
        held.append(memory(desk.device))
    assert 0 < held[19] <= 1.05 * held[1], f"bytes after each trial: {held}"


def memory(device: torch.device) -> int:
    """Bytes: the peak of all trials so far on a GPU; on a CPU, whose pages are malloc's to keep or
    give back, the tensors that are still alive."""
    if device.type == "cuda":
        return max(torch.cuda.max_memory_allocated(device), torch.cuda.memory_reserved(device))
    gc.unfreeze()  # the base model is frozen where it was loaded, and would not be found
    kinds = (torch.Tensor, torch.nn.Parameter)
    return sum(each.nbytes for each in gc.get_objects() if type(each) in kinds)
