"""A search space: which training fields are searched, where, and under which conditions."""

from collections.abc import Iterator
from itertools import combinations
from typing import Annotated, Any, Self

from pydantic import BaseModel, Discriminator, Field, Tag, model_validator

from dpo_ray.config.parameters import CategoricalParameter, Parameter, TiedParameter, When
from dpo_ray.config.rules import STRICT, broken_rule
from dpo_ray.config.wording import did_you_mean, show


def _one_or_list(value: Any) -> str:
    return "list" if isinstance(value, list) else "one"


Branches = Annotated[list[Parameter], Field(min_length=1)]
Searched = Annotated[
    Annotated[Parameter, Tag("one")] | Annotated[Branches, Tag("list")],
    Discriminator(_one_or_list),
]


class SearchSpace(BaseModel):
    """The question: which training fields are searched, and where."""

    model_config = STRICT

    parameters: Annotated[dict[str, Searched], Field(min_length=1)]
    """Training fields by name, each with its range or choices, or with a list of branches whose
    conditions (`when`) leave no configuration two of them."""

    @model_validator(mode="after")
    def _conditions_stand_on_roots(self) -> Self:
        for name, searched in self.parameters.items():
            for key, parameter in _entries(name, searched):
                for root, values in (_when(parameter) or {}).items():
                    _check_root(self, f"{key}.when.{root}", root, values)
        return self

    @model_validator(mode="after")
    def _branches_are_disjoint(self) -> Self:
        for name, searched in self.parameters.items():
            for (_, first), (key, second) in combinations(_entries(name, searched), 2):
                if not _disjoint(_when(first) or {}, _when(second) or {}):
                    rule = "overlaps an earlier branch: no configuration may belong to two"
                    raise broken_rule(rule, f"{key}.when", key)
        return self

    @model_validator(mode="after")
    def _ties_hold(self) -> Self:
        for name, searched in self.parameters.items():
            for key, parameter in _entries(name, searched):
                if isinstance(parameter, TiedParameter):
                    _check_tie(self, key, parameter)
        return self


def _entries(name: str, searched: Any) -> Iterator[tuple[str, Any]]:
    """Yield every branch of a parameter with its dotted key."""
    key = f"parameters.{name}"
    if isinstance(searched, list):
        yield from ((f"{key}.{index}", branch) for index, branch in enumerate(searched))
    else:
        yield key, searched


def _when(parameter: Any) -> When | None:
    return None if isinstance(parameter, TiedParameter) else parameter.when


def _check_root(space: SearchSpace, key: str, root: str, values: list[Any]) -> None:
    """Refuse what no condition can stand on; roots without conditions leave no cycles either."""
    roots = [name for name, each in space.parameters.items() if _is_root(each)]
    if root not in space.parameters:
        rule = f"is not a parameter of this space{did_you_mean(root, roots or ['none'])}"
        raise broken_rule(rule, key)
    parameter = space.parameters[root]
    if not isinstance(parameter, CategoricalParameter) or parameter.when is not None:
        allowed = ", ".join(roots) or "none"
        rule = f"must be a categorical parameter without a condition of its own; allowed: {allowed}"
        raise broken_rule(rule, key)
    for value in values:
        if value not in parameter.choices:
            allowed = ", ".join(map(str, parameter.choices))
            rule = f"must list choices of {root}, got {show(value)}; allowed: {allowed}"
            raise broken_rule(rule, key)


def _is_root(searched: Any) -> bool:
    return isinstance(searched, CategoricalParameter) and searched.when is None


def _disjoint(first: When, second: When) -> bool:
    return any(
        not any(value in second[root] for value in first[root]) for root in first.keys() & second
    )


def _check_tie(space: SearchSpace, key: str, tie: TiedParameter) -> None:
    if key.rpartition(".")[2].isdecimal():
        raise broken_rule("a tied parameter has no branches: it follows what it is tied to", key)
    drawn = [
        name
        for name, searched in space.parameters.items()
        if not isinstance(searched, TiedParameter)
    ]
    if tie.to not in drawn:
        rule = f"must be a parameter that is drawn, got {tie.to}{did_you_mean(tie.to, drawn)}"
        raise broken_rule(rule, f"{key}.to")
    for _, parameter in _entries(tie.to, space.parameters[tie.to]):
        for choice in parameter.choices if isinstance(parameter, CategoricalParameter) else ():
            if isinstance(choice, str | bool):
                raise broken_rule(
                    f"must be a number to follow, {tie.to} may be {choice}", f"{key}.to"
                )
