"""LoRA on a base of 4 bits, which stays as it was quantized. On CPUs as well, though slowly."""

import math

import pytest
import torch

from dpo_ray.ranks import Ranks
from dpo_ray.reference.model import load_model, model_folder
from dpo_ray.training.desk import Desk
from dpo_ray.training.dpo import build_trainer
from dpo_ray.training.policy import take_off
from dpo_ray.training.trial import run_trial
from tests.training.conftest import InProcessMailbox

pytest.importorskip("bitsandbytes", reason="pip install 'dpo-ray[nf4]'")
NF4, CPU = "model.quantization=nf4", torch.device("cpu")


def linear_layers(model):
    return [each for each in model.modules() if type(each).__name__ == "Linear4bit"]


def test_two_trials_on_one_base_pass_step_zero_and_learn(make_job, desk, tmp_path):
    for number in range(2):
        mailbox = InProcessMailbox()
        outcome = run_trial(make_job(tmp_path / str(number), NF4), number + 1, desk, mailbox)
        assert outcome.state == "COMPLETED", outcome.reason
        assert mailbox.train("loss")[0] == pytest.approx(math.log(2), abs=1e-4)
        assert mailbox.rungs[-1][2]["eval/kl"] > 0


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_trial_does_not_depend_on_the_ones_before_it(make_job, desk, tmp_path, dtype):
    alone, again, fresh = (InProcessMailbox() for _ in range(3))
    settings = (NF4, f"model.dtype={dtype}")
    run_trial(make_job(tmp_path / "a", *settings, beta=0.2), 1, desk, alone)
    stopped = InProcessMailbox(at_rungs={4: "stop"})
    run_trial(make_job(tmp_path / "b", *settings, lora_rank=2), 2, desk, stopped)
    run_trial(make_job(tmp_path / "c", *settings, beta=0.2), 3, desk, again)
    run_trial(make_job(tmp_path / "d", *settings, beta=0.2), 3, Desk(Ranks(), CPU), fresh)
    assert alone.logs == again.logs == fresh.logs
    assert alone.rungs == again.rungs == fresh.rungs


def test_the_base_comes_back_bare_quantized_and_unchanged(make_job, desk, tmp_path):
    job = make_job(tmp_path, NF4)
    base = desk.model(job.model)
    before = [layer.weight.data.clone() for layer in linear_layers(base)]
    run_trial(job, 1, desk, InProcessMailbox())
    assert desk.model(job.model) is base
    assert len(linear_layers(base)) == len(before) == 14
    for layer, weight in zip(linear_layers(base), before, strict=True):
        assert torch.equal(layer.weight.data, weight)
        assert not hasattr(layer, "lora_A")
    assert not hasattr(base, "peft_config")


def test_adapters_are_held_in_float32(make_job, desk, tmp_path):
    """In bfloat16, as TRL would have them, small updates are rounded away."""
    job = make_job(tmp_path, NF4, "model.dtype=bfloat16")
    trainer = build_trainer(
        desk.model(job.model),
        desk.tokenizer(job.model),
        desk.training_rows(job.prepared),
        job.training,
        max_length=job.max_length,
        dtype="bfloat16",
        workers=1,
        folder=job.folder,
    )
    trained = [each for each in trainer.model.parameters() if each.requires_grad]
    assert {parameter.dtype for parameter in trained} == {torch.float32}
    take_off(trainer)


def test_scoring_and_training_see_the_same_base():
    """bitsandbytes would pack, and so round, a layer at its first forward outside training."""
    model = load_model(model_folder("embedded"), "float32", CPU, quantization="nf4")
    ids = torch.arange(5, 69).reshape(2, 32)
    with torch.no_grad():
        scored = model(input_ids=ids).logits
        model.train()
        trained = model(input_ids=ids).logits
    assert torch.equal(scored, trained)
