"""Which training fields may be searched, and as which kinds of parameter."""

from collections.abc import Iterator
from typing import Any

from dpo_ray.config.document import Document
from dpo_ray.config.parameters import Parameter
from dpo_ray.config.parsing import KeyPath
from dpo_ray.config.training import LORA_FIELDS, TrainingConfig
from dpo_ray.config.wording import did_you_mean, problem

SEARCHABLE = (
    "beta",
    "learning_rate",
    "lora_rank",
    "lora_alpha",
    "use_rslora",
    "target_modules",
    "loss_type",
    "example_weight",
    "label_smoothing",
    "sft_weight",
    "epochs",
    "lr_scheduler",
    "warmup",
    "weight_decay",
    "max_grad_norm",
)

_REFERENCE = "the stored reference scores depend on it, and every trial shares them"
_NO_EFFECT = "it changes what a trial costs, not what it learns"
REFUSED = {
    "max_length": _REFERENCE,
    "truncation": _REFERENCE,
    "truncation_mode": _REFERENCE,
    "ld_alpha": _REFERENCE,
    "model": _REFERENCE,
    "dtype": _REFERENCE,
    "data": _REFERENCE,
    "max_steps": "the length of a trial is searched as epochs, where max_steps is not set",
    "batch_size": "it confounds the learning rate",
    "gradient_accumulation": _NO_EFFECT,
    "gradient_checkpointing": _NO_EFFECT,
    "logging_steps": _NO_EFFECT,
    "checkpoint_steps": _NO_EFFECT,
    "mode": "the two want learning rates a factor of ten apart, and memory too; run two sweeps",
    "lora_dropout": "TRL sets every dropout of the policy to 0",
    "seed": "a lucky seed is not a better configuration",
}
"""Names people try, and why they stay fixed for a whole sweep."""


def misfits(
    name: str,
    path: KeyPath,
    parameter: Parameter,
    training: TrainingConfig,
    space_file: Document,
    sweep_file: Document,
) -> Iterator[str]:
    """Yield why the field cannot be searched at all, or not as the parameter at `path`."""
    if name in REFUSED:
        rule = f"cannot be searched: {REFUSED[name]}; allowed: {', '.join(SEARCHABLE)}"
        yield problem(space_file, path, rule)
    elif name not in SEARCHABLE:
        hint = did_you_mean(name, SEARCHABLE)
        yield problem(space_file, path, f"is not a training field{hint}")
    elif unread := _unread(name, training, sweep_file):
        yield problem(space_file, path, f"is not read where {unread}")
    elif parameter.type not in (kinds := _kinds(name)):
        rule = f"does not fit {name}, got {parameter.type}; allowed: {', '.join(kinds)}"
        yield problem(space_file, (*path, "type"), rule)
    elif getattr(parameter, "relative", False) and getattr(training, name) == 0:
        rule = f"multiplies training.{name}, which is 0; give an absolute range"
        yield problem(space_file, (*path, "relative"), rule)


def _unread(name: str, training: TrainingConfig, sweep_file: Document) -> str:
    if name in LORA_FIELDS and training.mode == "full":
        return "training.mode is full"
    if name == "epochs" and training.max_steps is not None:
        place = sweep_file.place(("training", "max_steps"))
        return f"training.max_steps is set ({place}); set that to null"
    return ""


def _kinds(name: str) -> tuple[str, ...]:
    field_type: Any = TrainingConfig.model_fields[name].annotation
    if field_type is float:
        return ("float", "int", "categorical", "tied")
    return ("int", "categorical", "tied") if field_type is int else ("categorical",)
