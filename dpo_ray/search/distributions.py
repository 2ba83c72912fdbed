"""A search space in Optuna's own terms."""

from typing import Any

import optuna

from dpo_ray.config.space import (
    CategoricalParameter,
    FloatParameter,
    IntParameter,
    SearchSpace,
)


def distribution(parameter: FloatParameter | IntParameter | CategoricalParameter) -> Any:
    """Return one parameter's distribution.

    Built directly: Ray's conversion of its own domains loses steps on log scales and takes
    integer upper bounds as exclusive (ray/tune/search/optuna/optuna_search.py).
    """
    if isinstance(parameter, CategoricalParameter):
        return optuna.distributions.CategoricalDistribution(parameter.choices)
    if isinstance(parameter, IntParameter):
        return optuna.distributions.IntDistribution(
            parameter.low, parameter.high, log=parameter.log, step=parameter.step
        )
    return optuna.distributions.FloatDistribution(
        parameter.low, parameter.high, log=parameter.log, step=parameter.step
    )


def distributions(space: SearchSpace) -> dict[str, Any]:
    """Return the distribution of every parameter of a space whose ranges are absolute."""
    return {name: distribution(parameter) for name, parameter in space.parameters.items()}
