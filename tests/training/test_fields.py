"""Fields of a training that spaces search: what each of them really changes."""

import copy
import json
import math
from pathlib import Path

import pytest
import torch
from peft import get_peft_model
from transformers import GPT2Config, GPT2LMHeadModel

from dpo_ray.config.training import TrainingConfig
from dpo_ray.errors import ConfigError
from dpo_ray.training.dpo import dpo_arguments, lora_config
from dpo_ray.training.targets import target_modules
from dpo_ray.training.trial import run_trial
from tests.training.conftest import InProcessMailbox

ATTENTION = ["k_proj", "o_proj", "q_proj", "v_proj"]
SMALL_GPT2 = GPT2Config(
    n_layer=1, n_embd=8, n_head=2, vocab_size=16, bos_token_id=0, eos_token_id=0
)
MLP = ["down_proj", "gate_proj", "up_proj"]


def arguments(tmp_path: Path, **fields):
    training = TrainingConfig(max_steps=4, **fields)
    return dpo_arguments(training, max_length=64, dtype="float32", workers=1, folder=tmp_path)


def run(make_job, desk, folder: Path, **params) -> InProcessMailbox:
    mailbox = InProcessMailbox()
    outcome = run_trial(make_job(folder, **params), 1, desk, mailbox)
    assert outcome.state == "COMPLETED", outcome.reason
    return mailbox


def test_sfts_loss_is_added_with_its_weight(make_job, desk, tmp_path):
    """An untrained policy loses ln 2, and so many times its own loss of the chosen answers."""
    first = {
        weight: run(make_job, desk, tmp_path / str(weight), sft_weight=weight).train("loss")[0]
        for weight in (0.0, 0.5, 1.0)
    }
    assert first[0.0] == pytest.approx(math.log(2), abs=1e-4)
    added = first[1.0] - math.log(2)
    assert added > 0.1  # nats a token
    assert first[0.5] - math.log(2) == pytest.approx(added / 2, rel=1e-3)


def test_trl_is_told_of_the_added_loss_only_where_there_is_one(tmp_path):
    added = arguments(tmp_path, sft_weight=0.2, loss_type="ipo")
    assert (added.loss_type, added.loss_weights) == (["ipo", "sft"], [1.0, 0.2])
    plain = arguments(tmp_path)
    assert (plain.loss_type, plain.loss_weights) == (["sigmoid"], None)


@pytest.mark.parametrize(("rslora", "scale"), [(False, 16 / 4), (True, 16 / math.sqrt(4))])
def test_rslora_scales_updates_by_the_root_of_the_rank(make_job, desk, tmp_path, rslora, scale):
    base = desk.model(make_job(tmp_path).model)
    training = TrainingConfig(lora_rank=4, lora_alpha=16, use_rslora=rslora)
    policy = get_peft_model(copy.deepcopy(base), lora_config(training, base))
    adapted = [module for module in policy.modules() if hasattr(module, "lora_A")]
    assert {module.scaling["default"] for module in adapted} == {scale}


def test_rslora_changes_what_is_trained(make_job, desk, tmp_path):
    plain = run(make_job, desk, tmp_path / "plain").train("loss")
    scaled = run(make_job, desk, tmp_path / "scaled", use_rslora=True).train("loss")
    assert plain[0] == pytest.approx(scaled[0])  # untrained adapters change nothing
    assert abs(plain[-1] - scaled[-1]) > 1e-3


@pytest.mark.parametrize(("word", "layers"), [("attention", ATTENTION), ("mlp", MLP)])
def test_a_word_puts_adapters_on_its_set_of_layers(make_job, desk, tmp_path, word, layers):
    mailbox = InProcessMailbox()
    outcome = run_trial(make_job(tmp_path, target_modules=word), 1, desk, mailbox)
    written = json.loads((Path(outcome.adapter) / "adapter_config.json").read_text())
    assert sorted(written["target_modules"]) == layers


def test_the_two_sets_are_all_linear_layers_together(make_job, desk, tmp_path):
    base = desk.model(make_job(tmp_path).model)
    linear = {
        name.rpartition(".")[2]
        for name, module in base.named_modules()
        if isinstance(module, torch.nn.Linear)
    }
    sets = [target_modules(TrainingConfig(target_modules=w), base) for w in ("attention", "mlp")]
    assert {name for names in sets for name in names} == linear - {"lm_head"}


def test_layers_of_one_name_in_both_sets_are_told_apart_by_their_whole_names():
    gpt2 = GPT2LMHeadModel(SMALL_GPT2)
    found = target_modules(TrainingConfig(target_modules="attention"), gpt2)
    assert found == ["transformer.h.0.attn.c_attn", "transformer.h.0.attn.c_proj"]
    shape = lora_config(TrainingConfig(target_modules="mlp"), gpt2)
    with pytest.warns(UserWarning, match="fan_in_fan_out"):  # PEFT's, about any Conv1D
        policy = get_peft_model(gpt2, shape)
    adapted = {name for name, module in policy.named_modules() if hasattr(module, "lora_A")}
    assert adapted == {
        "base_model.model.transformer.h.0.mlp.c_fc",
        "base_model.model.transformer.h.0.mlp.c_proj",
    }


def test_a_model_without_such_layers_is_refused_with_the_names_it_has():
    bare = torch.nn.ModuleDict({"head": torch.nn.ModuleDict({"out": torch.nn.Linear(2, 2)})})
    with pytest.raises(ConfigError) as caught:
        target_modules(TrainingConfig(target_modules="mlp"), bare)
    assert str(caught.value) == (
        "training.target_modules: mlp matches no linear layer of this model; allowed: all-linear, "
        "or a list of names out of: out"
    )


def test_names_and_all_linear_are_left_to_peft():
    bare = torch.nn.Linear(2, 2)
    for asked in ("all-linear", ["q_proj", "v_proj"]):
        assert target_modules(TrainingConfig(target_modules=asked), bare) == asked
