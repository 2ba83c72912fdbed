"""What proposes configurations, each sampler with its own options under Optuna's names."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from dpo_ray.config.rules import STRICT


class TpeConfig(BaseModel):
    """Tree-structured Parzen estimator: draws where good trials are dense and bad ones are not."""

    model_config = STRICT

    type: Literal["tpe"] = "tpe"
    """Learns from the trials before, early-stopped ones included."""
    n_ei_candidates: Annotated[int, Field(ge=1)] = 24
    """Draws from the good trials' density, of which the most promising is tried."""
    multivariate: bool | None = None
    """Draw all parameters together, so that what depends on each other stays together; not set:
    true for one objective, and where a space has branches."""
    constant_liar: bool = True
    """Take running trials for bad ones, so that those that run at the same time differ."""


class GpConfig(BaseModel):
    """Gaussian process: fits the metric itself; good with few trials, slower with each one."""

    model_config = STRICT

    type: Literal["gp"] = "gp"
    """Learns from trials that ran to their end only."""
    deterministic_objective: bool = False
    """Take measured values as free of noise."""


class RandomConfig(BaseModel):
    """Independent draws: what any other sampler has to beat."""

    model_config = STRICT

    type: Literal["random"] = "random"
    """Learns nothing."""


class NsgaiiConfig(BaseModel):
    """A genetic algorithm that keeps a population along the front of two objectives."""

    model_config = STRICT

    type: Literal["nsgaii"] = "nsgaii"
    """Learns from trials that ran to their end only, a generation at a time."""
    population_size: Annotated[int, Field(ge=2)] = 10
    """Finished trials that make a generation; the first is drawn at random."""
    mutation_prob: Annotated[float, Field(ge=0, le=1)] | None = None
    """Probability that a parameter of a child is drawn anew; not set: one in a child."""
    crossover_prob: Annotated[float, Field(ge=0, le=1)] = 0.9
    """Probability that a child mixes two parents."""


class GridConfig(BaseModel):
    """Every combination of values, in a shuffled order, so that a part of it is spread, too."""

    model_config = STRICT

    type: Literal["grid"] = "grid"
    """Learns nothing."""
    points: Annotated[int, Field(ge=2)] = 4
    """Values of a range that has no steps of its own, its ends included."""


SAMPLERS = Literal["tpe", "gp", "random", "nsgaii", "grid"]
_Kinds = TpeConfig | GpConfig | RandomConfig | NsgaiiConfig | GridConfig


def _as_map(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


SamplerConfig = Annotated[
    Annotated[_Kinds, Field(discriminator="type")],
    BeforeValidator(
        _as_map, json_schema_input_type=SAMPLERS | Annotated[_Kinds, Field(discriminator="type")]
    ),
]
"""A sampler's name, or a map of its `type` and options."""
