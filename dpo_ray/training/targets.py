"""Sets of a model's linear layers by word: which modules get an adapter."""

import re
from collections.abc import Iterable
from typing import Any

import torch
from transformers.pytorch_utils import Conv1D

from dpo_ray.config.training import TrainingConfig
from dpo_ray.errors import ConfigError

PARENTS = {
    "attention": re.compile(r"attn|attention"),
    "mlp": re.compile(r"mlp|feed_forward|feedforward|ffn"),
}
"""What the modules that hold a set's layers are called in transformers' models."""


def target_modules(training: TrainingConfig, model: Any) -> str | list[str]:
    """Return what PEFT is told: a word it knows itself, or names of modules of `model`.

    A last name such as `q_proj` stands for its layer in every block; whole names are given only
    where a layer outside of the set has the same last name (GPT-2's two `c_proj`).

    Raises:
        ConfigError: the model has no linear layer in the set.
    """
    asked = training.target_modules
    if isinstance(asked, list) or asked not in PARENTS:
        return asked
    linear = [name for name, module in model.named_modules() if _is_linear(module)]
    inside = [name for name in linear if _in_set(name, PARENTS[asked])]
    if not inside:
        raise ConfigError(
            f"training.target_modules: {asked} matches no linear layer of this model; allowed: "
            f"all-linear, or a list of names out of: {', '.join(_last(linear))}"
        )
    outside = [name for name in linear if name not in set(inside)]
    return inside if set(_last(inside)) & set(_last(outside)) else _last(inside)


def _is_linear(module: Any) -> bool:
    """Layers quantized by bitsandbytes are torch's, too."""
    return isinstance(module, torch.nn.Linear | Conv1D)


def _in_set(name: str, parent: re.Pattern[str]) -> bool:
    return any(parent.search(part) for part in name.lower().split(".")[:-1])


def _last(names: Iterable[str]) -> list[str]:
    return sorted({name.rpartition(".")[2] for name in names})
