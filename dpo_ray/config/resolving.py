"""A space meets a sweep: which training fields may be searched, and with which absolute values."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from dpo_ray.config.document import Document
from dpo_ray.config.findings import rules, together
from dpo_ray.config.parsing import KeyPath
from dpo_ray.config.space import (
    CategoricalParameter,
    FloatParameter,
    Parameter,
    SearchSpace,
    contains,
)
from dpo_ray.config.training import LORA_FIELDS, TrainingConfig
from dpo_ray.config.wording import did_you_mean, problem, show

SEARCHABLE = (
    "beta",
    "learning_rate",
    "lora_rank",
    "lora_alpha",
    "loss_type",
    "example_weight",
    "label_smoothing",
    "lr_scheduler",
    "warmup",
    "weight_decay",
    "max_grad_norm",
)

_REFERENCE = "the stored reference scores depend on it, and every trial shares them"
_LENGTH = "trials of different length do not compare"
_NO_EFFECT = "it changes what a trial costs, not what it learns"
REFUSED = {
    "max_length": _REFERENCE,
    "truncation": _REFERENCE,
    "truncation_mode": _REFERENCE,
    "ld_alpha": _REFERENCE,
    "model": _REFERENCE,
    "dtype": _REFERENCE,
    "data": _REFERENCE,
    "max_steps": _LENGTH,
    "epochs": _LENGTH,
    "batch_size": "it confounds the learning rate",
    "gradient_accumulation": _NO_EFFECT,
    "gradient_checkpointing": _NO_EFFECT,
    "logging_steps": _NO_EFFECT,
    "checkpoint_steps": _NO_EFFECT,
    "mode": "the two want learning rates a factor of ten apart, and memory too; run two sweeps",
    "target_modules": "its choices would be lists, and a choice is one value",
    "lora_dropout": "TRL sets every dropout of the policy to 0",
    "seed": "a lucky seed is not a better configuration",
}
"""Names people try, and why they stay fixed for a whole sweep."""


def resolve_space(
    space: SearchSpace, training: TrainingConfig, space_file: Document, sweep_file: Document
) -> SearchSpace:
    """Return the space with relative ranges multiplied out, once every value in it is legal."""
    absolute, problems = {}, []
    for name, parameter in space.parameters.items():
        if found := list(_misfits(name, parameter, training, space_file)):
            problems += found
            continue
        absolute[name] = _absolute(parameter, getattr(training, name))
        found = list(_illegal(name, absolute[name], parameter, training, space_file))
        # A range that is no range has no inside for the control trial to be in.
        problems += found or _control_outside(
            name, absolute[name], training, space_file, sweep_file
        )
    if problems:
        raise together(problems)
    return SearchSpace(parameters=absolute)


def _misfits(
    name: str, parameter: Parameter, training: TrainingConfig, space_file: Document
) -> Iterator[str]:
    """Yield why the field cannot be searched at all, or not as this kind of parameter."""
    path: KeyPath = ("parameters", name)
    if name in REFUSED:
        allowed = ", ".join(SEARCHABLE)
        rule = f"cannot be searched: {REFUSED[name]}; allowed: {allowed}"
        yield problem(space_file, path, rule)
    elif name not in SEARCHABLE:
        hint = did_you_mean(name, SEARCHABLE)
        yield problem(space_file, path, f"is not a training field{hint}")
    elif name in LORA_FIELDS and training.mode == "full":
        yield problem(space_file, path, "is not read where training.mode is full")
    elif parameter.type not in (kinds := _kinds(name)):
        rule = f"does not fit {name}, got {parameter.type}; allowed: {', '.join(kinds)}"
        yield problem(space_file, (*path, "type"), rule)
    elif getattr(parameter, "relative", False) and getattr(training, name) == 0:
        rule = f"multiplies training.{name}, which is 0; give an absolute range"
        yield problem(space_file, (*path, "relative"), rule)


def _kinds(name: str) -> tuple[str, ...]:
    field_type = TrainingConfig.model_fields[name].annotation
    if field_type is float:
        return ("float", "int", "categorical")
    return ("int", "categorical") if field_type is int else ("categorical",)


def _absolute(parameter: Parameter, fixed: Any) -> Parameter:
    """Multiply as decimals: 0.1 x 3e-3 is 3e-4, where binary floats say 3.0000000000000003e-4."""
    if not isinstance(parameter, FloatParameter) or not parameter.relative:
        return parameter
    ends = {"low": parameter.low, "high": parameter.high, "step": parameter.step}
    scaled = {
        key: None if end is None else float(Decimal(str(end)) * Decimal(str(fixed)))
        for key, end in ends.items()
    }
    return parameter.model_copy(update={**scaled, "relative": False})


def _illegal(
    name: str,
    absolute: Parameter,
    written: Parameter,
    training: TrainingConfig,
    space_file: Document,
) -> Iterator[str]:
    """Try both ends, or all choices, in the control trial: the field's own bounds decide."""
    relative = isinstance(written, FloatParameter) and written.relative
    factor = f" after multiplying by training.{name}" if relative else ""
    for path, value in _extremes(name, absolute):
        values = {**training.model_dump(), name: value}
        try:
            TrainingConfig.model_validate(values)
        except ValidationError as error:
            for rule in rules(error):
                yield problem(space_file, path, rule + factor)


def _extremes(name: str, parameter: Parameter) -> Iterator[tuple[KeyPath, Any]]:
    path: KeyPath = ("parameters", name)
    if isinstance(parameter, CategoricalParameter):
        for index, choice in enumerate(parameter.choices):
            yield (*path, "choices", index), choice
    else:
        yield (*path, "low"), parameter.low
        yield (*path, "high"), parameter.high


def _control_outside(
    name: str, absolute: Parameter, training: TrainingConfig, space_file: Document, sweep: Document
) -> Iterator[str]:
    """Yield why the control trial, the sweep's own values, could not be the first one proposed."""
    fixed = getattr(training, name)
    if contains(absolute, fixed):
        return
    key: KeyPath = ("training", name)
    source = sweep.place(key) if key in sweep.places else "its default"
    rule = (
        f"must contain the control trial's value, training.{name}, got {show(fixed)} ({source}); "
        f"allowed: {describe(absolute)}"
    )
    yield problem(space_file, ("parameters", name), rule)


def describe(parameter: Parameter) -> str:
    """Write a parameter's values in a few words."""
    if isinstance(parameter, CategoricalParameter):
        return ", ".join(str(choice) for choice in parameter.choices)
    every = f" by {parameter.step}" if parameter.step not in (None, 1) else ""
    return f"{parameter.low} to {parameter.high}{every}"
