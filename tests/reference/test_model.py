"""A model is a local folder of safetensors, and brings no habits of its own."""

import json
import shutil

import pytest
import torch
from safetensors.torch import save_file

from dpo_ray.errors import ConfigError
from dpo_ray.evaluation.sampling import Decoding, sample_completions
from dpo_ray.ranks import Ranks
from dpo_ray.reference.model import load_model, load_tokenizer, model_folder, parameter_count

CPU = torch.device("cpu")


@pytest.fixture
def copied(tmp_path):
    return shutil.copytree(model_folder("embedded"), tmp_path / "model")


def test_parameters_are_counted_as_torch_counts_them(model):
    expected = sum(parameter.numel() for parameter in model.parameters())
    assert parameter_count(model_folder("embedded")) == expected


def test_parameters_are_counted_over_all_files(tmp_path):
    save_file({"a": torch.zeros(2, 3)}, tmp_path / "1.safetensors", {"format": "pt"})
    save_file({"b": torch.zeros(5), "c": torch.zeros(())}, tmp_path / "2.safetensors")
    assert parameter_count(tmp_path) == 12


def test_a_local_folder_is_taken_by_its_place(copied):
    assert model_folder(str(copied)) == copied


@pytest.mark.parametrize("name", ["no/such/folder", "Qwen/Qwen2.5-0.5B", ""])
def test_a_name_that_is_no_model_folder_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        model_folder(name)
    assert str(caught.value) == (
        "model.name must be embedded, smollm2, a local folder with a config.json, a .gguf file or "
        f"a hub id (organisation/name), got {name!r}"
    )


def test_a_folder_without_safetensors_is_refused(copied):
    (copied / "model.safetensors").rename(copied / "pytorch_model.bin")
    with pytest.raises(ConfigError) as caught:
        model_folder(str(copied))
    assert str(caught.value) == (
        f"model.name: {copied} holds no *.safetensors, the only weights read"
    )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_model_comes_in_the_asked_dtype_ready_to_answer(dtype):
    model = load_model(model_folder("embedded"), dtype, CPU)
    assert {parameter.dtype for parameter in model.parameters()} == {getattr(torch, dtype)}
    assert not model.training


def test_attention_that_is_not_installed_is_refused_with_its_reason():
    with pytest.raises(ConfigError, match=r"model.attention flash_attention_2 .*: .*[Ff]lash"):
        load_model(model_folder("embedded"), "bfloat16", CPU, attention="flash_attention_2")


def test_attention_is_done_as_asked():
    model = load_model(model_folder("embedded"), "float32", CPU, attention="eager")
    assert model.config._attn_implementation == "eager"


def test_nf4_without_bitsandbytes_names_the_command(monkeypatch):
    monkeypatch.setattr("dpo_ray.reference.quantization.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"not installed: pip install 'dpo-ray\[nf4\]'"):
        load_model(model_folder("embedded"), "float32", CPU, quantization="nf4")


def test_an_architecture_that_only_its_own_code_knows_does_not_load(copied):
    facts = json.loads((copied / "config.json").read_text())
    facts.update(model_type="own", auto_map={"AutoConfig": "configuration_own.OwnConfig"})
    (copied / "config.json").write_text(json.dumps(facts))
    (copied / "configuration_own.py").write_text("raise AssertionError('it ran')")
    with pytest.raises(ConfigError, match="does not load"):
        load_model(copied, "float32", CPU)


def test_a_models_own_generation_defaults_bend_no_draw(copied, model, tokenizer):
    defaults = json.loads((copied / "generation_config.json").read_text())
    defaults.update(repetition_penalty=3.0, min_p=0.5, no_repeat_ngram_size=1)
    (copied / "generation_config.json").write_text(json.dumps(defaults))
    prompts = [tokenizer(text)["input_ids"] for text in ("The soup", "The film was so")] * 4
    decoding = Decoding(max_new_tokens=16)
    plain, other = (
        sample_completions(each, tokenizer, prompts, decoding, Ranks())
        for each in (model, load_model(copied, "float32", CPU))
    )
    assert other == plain


def test_a_tokenizer_without_a_pad_token_pads_with_its_end_token(copied):
    settings = json.loads((copied / "tokenizer_config.json").read_text())
    assert load_tokenizer(copied).pad_token == settings["pad_token"]
    del settings["pad_token"]
    (copied / "tokenizer_config.json").write_text(json.dumps(settings))
    assert load_tokenizer(copied).pad_token == settings["eos_token"]
