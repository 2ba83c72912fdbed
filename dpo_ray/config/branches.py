"""Which parameters of a space a configuration has, by what, and what follows from them."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from dpo_ray.config.parameters import CategoricalParameter, Sampled, TiedParameter, Value, times
from dpo_ray.config.space import SearchSpace
from dpo_ray.config.training import TrainingConfig


def branches(space: SearchSpace, name: str) -> list[Sampled]:
    """Return the ranges a parameter may be drawn from: one or several, none where it is tied."""
    searched = space.parameters[name]
    entries = searched if isinstance(searched, list) else [searched]
    return [each for each in entries if not isinstance(each, TiedParameter)]


def ties(space: SearchSpace) -> dict[str, TiedParameter]:
    """Return the parameters that follow another one."""
    return {
        name: each for name, each in space.parameters.items() if isinstance(each, TiedParameter)
    }


def roots(space: SearchSpace) -> list[str]:
    """Return the parameters that conditions stand on, in the space's order."""
    named = {
        root
        for name in space.parameters
        for each in branches(space, name)
        for root in each.when or {}
    }
    return [name for name in space.parameters if name in named]


def is_conditional(space: SearchSpace) -> bool:
    """Tell whether some configurations lack parameters that others have."""
    return bool(roots(space))


def active(space: SearchSpace, chosen: Mapping[str, Any]) -> dict[str, Sampled]:
    """Return what a configuration draws, and from where, once its roots are `chosen`."""
    return {
        name: branch
        for name in space.parameters
        for branch in branches(space, name)
        if all(chosen[root] in values for root, values in (branch.when or {}).items())
    }


def root_choices(space: SearchSpace) -> Iterator[dict[str, Value]]:
    """Yield every combination of the roots' choices; one, empty, where there are no roots."""
    names = roots(space)
    choices = []
    for name in names:
        (parameter,) = branches(space, name)
        assert isinstance(parameter, CategoricalParameter), "SearchSpace lets nothing else pass"
        choices.append(parameter.choices)
    for values in product(*choices):
        yield dict(zip(names, values, strict=True))


def complete(space: SearchSpace, drawn: Mapping[str, Value]) -> dict[str, Value]:
    """Return what was drawn with what is tied to it, in the space's order."""
    followers = {
        name: follow(name, drawn[tie.to], tie)
        for name, tie in ties(space).items()
        if tie.to in drawn
    }
    known = {**drawn, **followers}
    return {name: known[name] for name in space.parameters if name in known}


def follow(name: str, value: Any, tie: TiedParameter) -> Value:
    """Return a tied field's value; a float where it is not as whole as the field wants it."""
    exact = times(value, tie.times)
    whole = TrainingConfig.model_fields[name].annotation is int and exact.denominator == 1
    return int(exact) if whole else float(exact)


def branch_name(space: SearchSpace, name: str, branch: Sampled) -> str:
    """Return what tells one branch's values from another's: `beta[loss_type=ipo]`.

    Optuna takes one name for one range. Where there is one only, it is the field's.
    """
    if len(branches(space, name)) == 1:
        return name
    conditions = (
        f"{root}={'|'.join(map(str, values))}" for root, values in (branch.when or {}).items()
    )
    return f"{name}[{','.join(conditions)}]"
