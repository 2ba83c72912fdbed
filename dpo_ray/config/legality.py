"""Every value a space can propose is tried against the training fields' own rules."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from pydantic import ValidationError

from dpo_ray.config.branches import active, branches, complete, root_choices, ties
from dpo_ray.config.findings import rules
from dpo_ray.config.parameters import (
    CategoricalParameter,
    FloatParameter,
    IntParameter,
    Parameter,
    Sampled,
    TiedParameter,
    Value,
    describe,
    times,
)
from dpo_ray.config.parsing import KeyPath
from dpo_ray.config.space import SearchSpace
from dpo_ray.config.training import TrainingConfig
from dpo_ray.config.wording import show

Place = tuple[KeyPath, Parameter]
Finding = tuple[KeyPath, str]
RULING = ("loss_type", "example_weight")
"""Fields that decide which values of other fields are legal."""
MAX_COMBINATIONS = 1000


def illegal(
    space: SearchSpace, training: TrainingConfig, relative: set[KeyPath]
) -> Iterator[Finding]:
    """Yield where a value stands that breaks a rule, and the rule; each once.

    Both ends of every range, and all choices, are tried under every combination of choices
    they may meet. `relative` holds the places of ranges that were multiplied out.
    """
    seen: set[Finding] = set()
    for finding in (*_broken_ties(space), *_broken_values(space, training, relative)):
        if finding not in seen:
            seen.add(finding)
            yield finding


def _broken_values(
    space: SearchSpace, training: TrainingConfig, relative: set[KeyPath]
) -> Iterator[Finding]:
    for count, chosen in enumerate(_combinations(space)):
        if count == MAX_COMBINATIONS:
            rule = f"more than {MAX_COMBINATIONS} combinations of choices that rules depend on"
            yield ("parameters",), rule
            return
        drawn = active(space, chosen)
        base = {name: _extremes(each)[0][1] for name, each in drawn.items()} | chosen
        for name, parameter in drawn.items():
            place = _place(space, name, parameter)
            for key, value in _extremes(parameter):
                if name not in chosen or chosen[name] == value:
                    case = _Case(space, training, name, (*place, *key), {**base, name: value})
                    for path, rule in case.findings():
                        factor = f" after multiplying by training.{name}"
                        yield path, rule + (factor if place in relative else "")


def _combinations(space: SearchSpace) -> Iterator[dict[str, Value]]:
    """Yield the roots' choices with those of the other fields that rules depend on."""
    for chosen in root_choices(space):
        ruling = {
            name: parameter.choices
            for name, parameter in active(space, chosen).items()
            if name in RULING and name not in chosen and isinstance(parameter, CategoricalParameter)
        }
        for values in product(*ruling.values()):
            yield {**chosen, **dict(zip(ruling, values, strict=True))}


@dataclass(frozen=True)
class _Case:
    """One configuration, of which one value, at `path`, is looked at."""

    space: SearchSpace
    training: TrainingConfig
    name: str
    path: KeyPath
    drawn: dict[str, Value]

    def findings(self) -> Iterator[Finding]:
        """Yield the rules that this value, or one tied to it, is to blame for."""
        error = self._error(self.drawn)
        if error is None:
            return
        for detail, rule in zip(error.errors(), rules(error), strict=True):
            blamed = detail["loc"][:1] or detail["ctx"]["keys"]
            keys = [str(key) for key in blamed]
            searched = [key for key in keys if key in complete(self.space, self.drawn)]
            guilty = searched[0] if searched else ""
            if guilty == self.name:
                yield self.path, rule + self._hint(searched[1:])
            elif guilty in ties(self.space):
                yield ("parameters", guilty), rule

    def _hint(self, others: list[str]) -> str:
        """Name the choices of another parameter under which the value would be legal."""
        for other in others:
            parameter = active(self.space, self.drawn).get(other)
            if isinstance(parameter, CategoricalParameter):
                fits = [
                    choice
                    for choice in parameter.choices
                    if self._error({**self.drawn, other: choice}) is None
                ]
                if fits:
                    return f"; or search it `when: {{{other}: {show(fits)}}}`".replace('"', "")
        return ""

    def _error(self, drawn: dict[str, Value]) -> ValidationError | None:
        try:
            TrainingConfig.model_validate(
                {**self.training.model_dump(), **complete(self.space, drawn)}
            )
        except ValidationError as error:
            return error
        return None


def _place(space: SearchSpace, name: str, parameter: Sampled) -> KeyPath:
    path: KeyPath = ("parameters", name)
    if not isinstance(space.parameters[name], list):
        return path
    return (*path, branches(space, name).index(parameter))


def _extremes(parameter: Sampled) -> list[tuple[KeyPath, Any]]:
    if isinstance(parameter, CategoricalParameter):
        return [(("choices", index), choice) for index, choice in enumerate(parameter.choices)]
    return [(("low",), parameter.low), (("high",), parameter.high)]


def _broken_ties(space: SearchSpace) -> Iterator[Finding]:
    """Yield ties whose values between the ends are not as whole as their field.

    Choices and ends are tried one by one, so only the steps between the ends are looked at.
    """
    for name, tie in ties(space).items():
        if TrainingConfig.model_fields[name].annotation is int:
            for followed in branches(space, tie.to):
                if not isinstance(followed, CategoricalParameter) and not _steps_whole(
                    followed, tie
                ):
                    rule = (
                        f"must give whole numbers, {tie.times:g} x {tie.to} does not; "
                        f"{tie.to} is drawn from {describe(followed)}"
                    )
                    yield ("parameters", name), rule


def _steps_whole(followed: FloatParameter | IntParameter, tie: TiedParameter) -> bool:
    if followed.low == followed.high:
        return True
    return followed.step is not None and times(followed.step, tie.times).denominator == 1
