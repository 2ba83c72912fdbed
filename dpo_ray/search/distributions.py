"""A search space in Optuna's own terms."""

from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import NSGAIISampler

from dpo_ray.config.branches import active, branch_name, branches, complete, roots
from dpo_ray.config.parameters import (
    CategoricalParameter,
    FloatParameter,
    IntParameter,
    Sampled,
    Value,
    contains,
    describe,
    on_grid,
)
from dpo_ray.config.space import SearchSpace
from dpo_ray.config.wording import show


def distribution(parameter: Sampled) -> BaseDistribution:
    """Return one parameter's distribution.

    Built directly: Ray's conversion of its own domains loses steps on log scales and takes
    integer upper bounds as exclusive (ray/tune/search/optuna/optuna_search.py).
    """
    if isinstance(parameter, CategoricalParameter):
        return CategoricalDistribution(parameter.choices)
    kind = IntDistribution if isinstance(parameter, IntParameter) else FloatDistribution
    return kind(parameter.low, parameter.high, log=parameter.log, step=parameter.step)


def distributions(space: SearchSpace) -> dict[str, Any]:
    """Return the distribution of every range of a space, each under its branch's name."""
    return {
        branch_name(space, name, branch): distribution(branch)
        for name in space.parameters
        for branch in branches(space, name)
    }


def propose(space: SearchSpace, trial: optuna.Trial) -> dict[str, Value]:
    """Ask a trial for every field that its own choices of the roots make active.

    Optuna decides on first sight of each parameter, so asking one by one is all that samplers
    need: they know the joint space from the trials that finished. Returns plain field names with
    what is tied, in the space's order. An enqueued trial answers with what was enqueued.
    """
    if isinstance(trial.study.sampler, NSGAIISampler):
        # Optuna asks no sampler about an enqueued configuration, so it would belong to no
        # generation, and be nobody's parent.
        _ = trial.relative_params
    chosen = {root: _suggest(space, trial, root, branches(space, root)[0]) for root in roots(space)}
    drawn = {
        name: chosen[name] if name in chosen else _suggest(space, trial, name, parameter)
        for name, parameter in active(space, chosen).items()
    }
    return complete(space, drawn)


def recorded(
    space: SearchSpace, params: Mapping[str, Value]
) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
    """Return a configuration under Optuna's names, and the distribution of each.

    For `optuna.create_trial` and, the first of the two, for `enqueue_trial`. What is tied is left
    out: it follows.

    Raises:
        ValueError: the configuration is none of this space's: a parameter is missing, outside
            its range, not searched at these roots, or not what it is tied to.
    """
    if missing := [root for root in roots(space) if root not in params]:
        raise ValueError(f"lacks {', '.join(missing)}")
    ranges = active(space, params)
    for name, parameter in ranges.items():
        if name not in params:
            raise ValueError(f"lacks {name}")
        if not contains(parameter, params[name]):
            got = show(params[name])
            raise ValueError(f"{name} is {got}, outside the space's {describe(parameter)}")
    whole = complete(space, {name: params[name] for name in ranges})
    for name, value in params.items():
        if name not in whole:
            raise ValueError(f"{name} is not searched at the roots of this configuration")
        if whole[name] != value:
            raise ValueError(f"{name} is {show(value)}, tied it is {show(whole[name])}")
    names = {name: branch_name(space, name, branch) for name, branch in ranges.items()}
    return (
        {names[name]: _as_optuna_has_it(ranges[name], params[name]) for name in ranges},
        {names[name]: distribution(branch) for name, branch in ranges.items()},
    )


def _suggest(space: SearchSpace, trial: optuna.Trial, name: str, parameter: Sampled) -> Any:
    called = branch_name(space, name, parameter)
    if isinstance(parameter, CategoricalParameter):
        return trial.suggest_categorical(called, parameter.choices)
    if isinstance(parameter, IntParameter):
        low, high = parameter.low, parameter.high
        return trial.suggest_int(called, low, high, step=parameter.step, log=parameter.log)
    value = trial.suggest_float(
        called, parameter.low, parameter.high, step=parameter.step, log=parameter.log
    )
    return value if parameter.step is None else on_grid(parameter.low, value, parameter.step)


def _as_optuna_has_it(parameter: Sampled, value: Value) -> Value:
    """Return what Optuna's samplers answer for a point of a grid: 0.05 + 2 x 0.05 in binary.

    So a study that is built anew is the old one to the last digit.
    """
    if not isinstance(parameter, FloatParameter) or parameter.step is None:
        return value
    low, step = parameter.low, parameter.step
    return min(low + round((float(value) - low) / step) * step, parameter.high)
