"""A trained policy as a folder that opens elsewhere, and whether it writes what it wrote here."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch

from dpo_ray.data.adapter_card import AdapterCard, write_card
from dpo_ray.data.weights import check_weights
from dpo_ray.errors import ConfigError
from dpo_ray.evaluation.sampling import left_pad
from dpo_ray.reference.model import load_tokenizer
from dpo_ray.training.as_trained import load_as_trained, this_device
from dpo_ray.training.policy import GENERATION

Kind = Literal["adapter", "merged", "model"]
NEW_TOKENS = 64
"""At most so many tokens of an answer are compared."""
READABLE = 0o644
ADAPTER_FILES = ("adapter_model.safetensors", "adapter_config.json")


def write_policy(
    source: Path,
    card: AdapterCard,
    target: Path,
    kind: Kind,
    hub: tuple[str, str] | None = None,
) -> None:
    """Fill the folder `target` with the policy saved in `source`, its tokenizer and its card.

    `hub` names id and commit of a base model that a hub has, so that an adapter finds it
    anywhere; without it the adapter goes on naming the base's folder. A merged model is added up
    in float32 and saved in the card's dtype.

    Raises:
        ConfigError: the adapter does not fit its base, or the base is quantized.
    """
    target.mkdir(parents=True)
    match kind:
        case "adapter":
            _copy_adapter(source, target, card, hub)
        case "merged":
            _merge(source, target, card)
        case "model":
            shutil.copytree(source, target, dirs_exist_ok=True)
    load_tokenizer(Path(card.model), card.trust_remote_code).save_pretrained(target)
    write_card(target, card)
    for file in target.iterdir():
        file.chmod(READABLE)  # safetensors writes for its owner alone


def greedy_answers(
    source: Path, card: AdapterCard, prompts: Sequence[list[int]], new_tokens: int
) -> list[list[int]]:
    """Return the token ids that the policy saved in `source` answers each prompt with.

    The most probable token each time, so that the answer is a property of the weights.
    """
    if (source / ADAPTER_FILES[1]).is_file():
        model = _adapted(load_as_trained(Path(card.model), card), source, card)
    else:
        model = load_as_trained(source, card)
    return _answers(model, Path(card.model), card, prompts, new_tokens)


def answers_as_loaded(
    folder: Path, card: AdapterCard, kind: Kind, prompts: Sequence[list[int]], new_tokens: int
) -> list[list[int]]:
    """Return the same of an exported folder, opened as the lines of its card open it."""
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoModelForCausalLM, GenerationConfig

    auto = AutoPeftModelForCausalLM if kind == "adapter" else AutoModelForCausalLM
    trusted = card.trust_remote_code
    model = auto.from_pretrained(
        str(folder), dtype=card.dtype, trust_remote_code=trusted, **_as_held(card)
    )
    # A folder's own generation defaults, a repetition penalty perhaps, are none of its weights'.
    inner = model.get_base_model() if kind == "adapter" else model
    inner.generation_config = GenerationConfig()
    held = model if card.quantization != "none" else model.to(this_device())
    return _answers(held, folder, card, prompts, new_tokens)


def prompts_of(tokenizer_of: Path, texts: Sequence[str], trusted: bool) -> list[list[int]]:
    """Tokenize plain texts."""
    tokenizer = load_tokenizer(tokenizer_of, trusted)
    return [list(tokenizer(text)["input_ids"]) for text in texts]


def texts_of(folder: Path, answers: Sequence[list[int]], trusted: bool) -> list[str]:
    """Decode answers with a folder's own tokenizer."""
    tokenizer = load_tokenizer(folder, trusted)
    return [tokenizer.decode(answer, skip_special_tokens=True) for answer in answers]


def _copy_adapter(
    source: Path, target: Path, card: AdapterCard, hub: tuple[str, str] | None
) -> None:
    for name in ADAPTER_FILES:
        shutil.copyfile(source / name, target / name)
    file = target / ADAPTER_FILES[1]
    name, revision = hub if hub is not None else (card.model, None)
    facts = {**json.loads(file.read_text()), "base_model_name_or_path": name, "revision": revision}
    file.write_text(json.dumps(facts, indent=2, sort_keys=True))


def _merge(source: Path, target: Path, card: AdapterCard) -> None:
    if card.quantization != "none":
        raise ConfigError(
            f"--merged: {source} was trained on a base in {card.quantization}, and merged into "
            "the base's full weights it would be another model; export the adapter"
        )
    base = load_as_trained(Path(card.model), replace(card, dtype="float32"))
    merged = _adapted(base, source, card).merge_and_unload()
    merged.to(getattr(torch, card.dtype)).save_pretrained(target)
    defaults = Path(card.model) / GENERATION
    if defaults.is_file():
        shutil.copyfile(defaults, target / GENERATION)


def _adapted(base: Any, source: Path, card: AdapterCard) -> Any:
    from peft import PeftModel

    check_weights(source)
    try:
        return PeftModel.from_pretrained(base, str(source))
    except (ValueError, RuntimeError, OSError) as error:
        first = str(error).strip().splitlines()[0]
        raise ConfigError(f"{source} is no adapter of {card.model}: {first}") from error


@torch.no_grad()
def _answers(
    model: Any, folder: Path, card: AdapterCard, prompts: Sequence[list[int]], new_tokens: int
) -> list[list[int]]:
    tokenizer = load_tokenizer(folder, card.trust_remote_code)
    ids, mask = left_pad(prompts, tokenizer.pad_token_id, next(model.parameters()).device)
    output = model.eval().generate(
        input_ids=ids,
        attention_mask=mask,
        max_new_tokens=new_tokens,
        do_sample=False,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return [list(row) for row in output[:, ids.shape[1] :].tolist()]


def _as_held(card: AdapterCard) -> dict[str, Any]:
    """Return what else `from_pretrained` is told for the model to compute as it did here."""
    from dpo_ray.reference.quantization import nf4_options

    held: dict[str, Any] = {"attn_implementation": card.attention}
    if card.quantization == "nf4":
        held |= nf4_options(getattr(torch, card.dtype), this_device())
    return held
