"""Situations: models, tokenizers, adapters, and what a model's folder may lack."""

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import peft
import torch
import transformers

from dpo_ray.config.judging import RewardModelJudge
from dpo_ray.config.model import ModelConfig
from dpo_ray.config.training import TrainingConfig
from dpo_ray.data import template_limit
from dpo_ray.data.adapter_card import CARD, AdapterCard, read_card
from dpo_ray.data.weights import check_weights
from dpo_ray.demo.proof import Proof, refuse_unless_won
from dpo_ray.evaluation.logps import collator_for
from dpo_ray.reference import gguf, quantization
from dpo_ray.reference.locating import locate_model, locate_reward_model
from dpo_ray.reference.model import load_model, load_tokenizer, model_folder, scoring_head
from dpo_ray.reference.tokenizing import tokenize
from dpo_ray.training.exporting import write_policy
from dpo_ray.training.implicit_reward import implicit_rewards
from dpo_ray.training.step_zero import check_step_zero
from dpo_ray.training.targets import target_modules
from tests.data.hub_server import Repo
from tests.errors.book import Chapter
from tests.errors.hub import on_a_hub

MODELS = Chapter("Models")
TALK = {
    "prompt": [{"role": "user", "content": "How was the soup?"}],
    "chosen": [{"role": "assistant", "content": "Good."}],
    "rejected": [{"role": "assistant", "content": "Bad."}],
    "row": 7,
    "prompt_text": "How was the soup?",
}


def copied(place) -> Path:
    return Path(shutil.copytree(model_folder("embedded"), place.folder / "model"))


def locate(name: str, **fields) -> object:
    return locate_model(ModelConfig(name=name, **fields), Path("cache"))


@MODELS.when("a model that is not there")
def _(place) -> object:
    return locate("no/such/model")


@MODELS.when("a model without safetensors")
def _(place) -> object:
    folder = copied(place)
    for file in folder.glob("*.safetensors"):
        file.unlink()
    return locate("model")


@MODELS.when("an adapter without safetensors")
def _(place) -> object:
    return check_weights(place.folder)


@MODELS.when("weights that were cut off")
def _(place) -> object:
    (file,) = copied(place).glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-100])
    return locate("model")


@MODELS.when("weights that are none")
def _(place) -> object:
    (file,) = copied(place).glob("*.safetensors")
    file.write_bytes(b"<html>not found</html>")
    return locate("model")


@MODELS.when("an index that is none")
def _(place) -> object:
    copied(place)
    place.write("model/model.safetensors.index.json", "[]")
    return locate("model")


@MODELS.when("an index of files that are not there")
def _(place) -> object:
    copied(place)
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    place.write("model/model.safetensors.index.json", json.dumps(index))
    return locate("model")


@MODELS.when("a configuration that is no JSON")
def _(place) -> object:
    copied(place)
    place.write("model/config.json", "{")
    return locate("model")


@MODELS.when("a local folder with code of its own")
def _(place) -> object:
    folder = copied(place)
    facts = json.loads((folder / "config.json").read_text())
    place.write("model/config.json", json.dumps({**facts, "auto_map": {}}))
    return locate("model")


@MODELS.when("an architecture that nobody knows")
def _(place) -> object:
    copied(place)
    place.write("model/config.json", json.dumps({"model_type": "soup"}))
    return load_model(Path("model"), "float32", torch.device("cpu"))


@MODELS.when("4 bits without the package for them")
def _(place) -> object:
    place.patch.setattr(quantization, "find_spec", lambda name: None)
    return quantization.nf4_options(torch.float32, torch.device("cpu"))


@MODELS.when("a hub's model without safetensors")
def _(place) -> object:
    with on_a_hub(place) as hub:
        hub.repos["models", "org/model"] = Repo({"config.json": b"{}", "pytorch_model.bin": b""})
        return locate("org/model")


@MODELS.when("a hub's model behind terms")
def _(place) -> object:
    with on_a_hub(place) as hub:
        hub.repos["models", "org/model"] = Repo({}, status=403)
        return locate("org/model")


@MODELS.when("a hub that stays busy")
def _(place) -> object:
    with on_a_hub(place) as hub:
        hub.failing += [503] * 20
        return locate("org/model")


@MODELS.when("a GGUF file that is not there")
def _(place) -> object:
    return locate("model.gguf")


@MODELS.when("a GGUF file without the package for it")
def _(place) -> object:
    place.write("model.gguf", "GGUF")
    place.patch.setattr(gguf, "find_spec", lambda name: None)
    return locate("model.gguf")


@MODELS.when("a GGUF file that cannot be read")
def _(place) -> object:
    file = place.folder / place.write("model.gguf", "GGUF, or not")
    return gguf.converted(file, "float32", place.folder / "cache")


@MODELS.when("smollm2 without its packages")
def _(place) -> object:
    place.patch.setattr(gguf, "find_spec", lambda name: None if "gguf" in name else find_spec(name))
    return locate("smollm2")


@MODELS.when("a judge's model that is not there")
def _(place) -> object:
    return locate_reward_model(RewardModelJudge(type="reward_model", model="./judge"), Path("c"))


def talk_with(template: str | None) -> object:
    tokenizer = load_tokenizer(model_folder("embedded"))
    tokenizer.chat_template = template
    return tokenize([TALK], tokenizer)


@MODELS.when("conversations for a model without a chat template")
def _(place) -> object:
    return talk_with(None)


@MODELS.when("a chat template that reaches for Python")
def _(place) -> object:
    return talk_with("{{ ''.__class__.__mro__ }}")


@MODELS.when("a chat template that loops for ever, over the reference's texts")
def _(place) -> object:
    place.patch.setattr(template_limit, "TEMPLATE_S", 0.3)
    tokenizer = load_tokenizer(model_folder("embedded"))
    ten_thousand = "{% for a in range(99999) %}{% for b in range(99999) %}"
    tokenizer.chat_template = ten_thousand + "{% endfor %}{% endfor %}"
    return template_limit.refuse_endless(tokenizer, TALK)


@MODELS.when("target modules that the model has not")
def _(place) -> object:
    model = torch.nn.ModuleDict({"head": torch.nn.Linear(2, 2)})
    return target_modules(TrainingConfig(target_modules="attention"), model)


@MODELS.when("an adapter's card that is none")
def _(place) -> object:
    place.write(CARD, "[]")
    return read_card(place.folder)


def adapter(place) -> AdapterCard:
    base = transformers.AutoModelForCausalLM.from_pretrained(model_folder("embedded"))
    peft.get_peft_model(base, peft.LoraConfig(r=2, target_modules="all-linear")).save_pretrained(
        place.folder / "adapter"
    )
    return AdapterCard.plain(str(model_folder("embedded")), 0.1)


def for_another_model(place) -> AdapterCard:
    card = adapter(place)
    file = place.folder / "adapter/adapter_config.json"
    facts = json.loads(file.read_text())
    file.write_text(json.dumps({**facts, "target_modules": ["nobodys_proj"]}))
    return card


@MODELS.when("a score by an adapter of another model")
def _(place) -> object:
    card = for_another_model(place)
    return implicit_rewards(Path("adapter"), card, [TALK], lambda done, total: None)


@MODELS.when("a merge of an adapter of another model")
def _(place) -> object:
    return write_policy(Path("adapter"), for_another_model(place), Path("out"), "merged")


@MODELS.when("a merge into a quantized base")
def _(place) -> object:
    card = AdapterCard(**{**vars(adapter(place)), "quantization": "nf4"})
    return write_policy(Path("adapter"), card, Path("out"), "merged")


@MODELS.when("stored reference scores of another model")
def _(place) -> object:
    folder = model_folder("embedded")
    model = load_model(folder, "float32", torch.device("cpu"))
    row = {"prompt_ids": [5, 6], "chosen_ids": [7], "rejected_ids": [8]}
    stored = {"ref_chosen_logps": 1000.0, "ref_rejected_logps": 0.0}
    collator = collator_for(load_tokenizer(folder), 64)
    with scoring_head(model):
        return check_step_zero(model, [row | stored], collator, 0.1, "float32")


@MODELS.when("a toy that teaches nothing")
def _(place) -> object:
    return refuse_unless_won(Proof(0.5, 0.5, 1.0), 0.6)
