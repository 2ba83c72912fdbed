"""A space meets a sweep: which training fields may be searched, and with which absolute values."""

from collections.abc import Iterator
from typing import Any

from dpo_ray.config.branches import active, complete, roots
from dpo_ray.config.document import Document
from dpo_ray.config.findings import together
from dpo_ray.config.legality import Place, illegal
from dpo_ray.config.parameters import (
    FloatParameter,
    Parameter,
    TiedParameter,
    Value,
    contains,
    describe,
    times,
)
from dpo_ray.config.parsing import KeyPath
from dpo_ray.config.searchable import misfits
from dpo_ray.config.space import SearchSpace
from dpo_ray.config.training import TrainingConfig
from dpo_ray.config.wording import problem, show


def resolve_space(
    space: SearchSpace, training: TrainingConfig, space_file: Document, sweep_file: Document
) -> SearchSpace:
    """Return the space with relative ranges multiplied out, once every value in it is legal."""
    problems = [
        line
        for name, searched in space.parameters.items()
        for path, parameter in _places(name, searched)
        for line in misfits(name, path, parameter, training, space_file, sweep_file)
    ]
    if problems:
        raise together(problems)
    resolved = SearchSpace(parameters=_absolute(space, training))
    broken = list(illegal(resolved, training, _relative_keys(space)))
    problems = [problem(space_file, path, rule) for path, rule in broken]
    # A range that is no range has no inside for the control trial to be in.
    names = {name for path, _ in broken for name in path[1:2]}
    problems += _control_outside(resolved, names, training, space_file, sweep_file)
    if problems:
        raise together(problems)
    return resolved


def control_of(space: SearchSpace, training: TrainingConfig) -> dict[str, Value]:
    """Return the sweep's own value of every field that is searched at the sweep's own roots."""
    chosen = {root: getattr(training, root) for root in roots(space)}
    return complete(space, {name: getattr(training, name) for name in active(space, chosen)})


def _places(name: str, searched: Any) -> Iterator[Place]:
    """Yield a parameter, or each of its branches, and where it stands."""
    path: KeyPath = ("parameters", name)
    if isinstance(searched, list):
        yield from (((*path, index), branch) for index, branch in enumerate(searched))
    else:
        yield path, searched


def _absolute(space: SearchSpace, training: TrainingConfig) -> dict[str, Any]:
    absolute: dict[str, Any] = {}
    for name, searched in space.parameters.items():
        fixed = getattr(training, name)
        if isinstance(searched, list):
            absolute[name] = [_multiplied(branch, fixed) for branch in searched]
        else:
            absolute[name] = _multiplied(searched, fixed)
    return absolute


def _multiplied(parameter: Parameter, fixed: Any) -> Parameter:
    if not isinstance(parameter, FloatParameter) or not parameter.relative:
        return parameter
    ends = {"low": parameter.low, "high": parameter.high, "step": parameter.step}
    scaled = {key: None if end is None else float(times(end, fixed)) for key, end in ends.items()}
    return parameter.model_copy(update={**scaled, "relative": False})


def _relative_keys(space: SearchSpace) -> set[KeyPath]:
    return {
        path
        for name, searched in space.parameters.items()
        for path, parameter in _places(name, searched)
        if isinstance(parameter, FloatParameter) and parameter.relative
    }


def _control_outside(
    space: SearchSpace,
    broken: set[Any],
    training: TrainingConfig,
    space_file: Document,
    sweep: Document,
) -> Iterator[str]:
    """Yield why the control trial, the sweep's own values, could not be the first one proposed."""
    chosen = {root: getattr(training, root) for root in roots(space)}
    for name, parameter in active(space, chosen).items():
        fixed = getattr(training, name)
        if name in broken or contains(parameter, fixed):
            continue
        rule = (
            f"must contain the control trial's value, training.{name}, got {show(fixed)} "
            f"({_source(name, sweep)}); allowed: {describe(parameter)}"
        )
        path = next(
            path for path, each in _places(name, space.parameters[name]) if each == parameter
        )
        yield problem(space_file, path, rule)
    for name, value in control_of(space, training).items():
        tie, fixed = space.parameters[name], getattr(training, name)
        if isinstance(tie, TiedParameter) and name not in broken and value != fixed:
            rule = (
                f"the control trial must keep to it: training.{name} is {show(fixed)} "
                f"({_source(name, sweep)}), {tie.times:g} x training.{tie.to} is {show(value)}"
            )
            yield problem(space_file, ("parameters", name), rule)


def _source(name: str, sweep: Document) -> str:
    key: KeyPath = ("training", name)
    return sweep.place(key) if key in sweep.places else "its default"
