"""One searched field in Optuna's vocabulary, with Optuna's rules checked before Optuna sees it."""

from fractions import Fraction
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dpo_ray.config.rules import STRICT, broken_rule

_TYPED = ConfigDict(**STRICT, json_schema_extra=lambda schema: _require_type(schema))
Value = float | int | str | bool
Choice = str | int | float | bool
"""The same, in the order in which text, whole numbers and others are tried."""
When = dict[str, Annotated[list[Choice], Field(min_length=1)]]


class FloatParameter(BaseModel):
    """A real number from `low` to `high`, both included."""

    model_config = _TYPED

    type: Literal["float"] = "float"
    """A real number."""
    low: float
    """The smallest value tried."""
    high: float
    """The largest value tried."""
    log: bool = False
    """Draw on a logarithmic scale: as many values from 1 to 10 as from 10 to 100."""
    step: Annotated[float, Field(gt=0)] | None = None
    """Try only low, low + step, low + 2 step, ... up to high."""
    relative: bool = False
    """`low`, `high` and `step` are multiples of the sweep's own fixed value."""
    when: When | None = None
    """Searched only where these categorical parameters have one of the given values."""

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.log and self.step is not None:
            raise broken_rule("a logarithmic range of floats cannot have a step", "step")
        _check_range(self.low, self.high, self.log, self.step)
        return self


class IntParameter(BaseModel):
    """A whole number from `low` to `high`, both included."""

    model_config = _TYPED

    type: Literal["int"] = "int"
    """A whole number."""
    low: int
    """The smallest value tried."""
    high: int
    """The largest value tried."""
    log: bool = False
    """Draw on a logarithmic scale."""
    step: Annotated[int, Field(ge=1)] = 1
    """Try only low, low + step, low + 2 step, ... up to high."""
    when: When | None = None
    """Searched only where these categorical parameters have one of the given values."""

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.log and self.step != 1:
            raise broken_rule("a logarithmic range of whole numbers has step 1", "step")
        _check_range(self.low, self.high, self.log, self.step)
        return self


class CategoricalParameter(BaseModel):
    """One of a few values without order."""

    model_config = _TYPED

    type: Literal["categorical"] = "categorical"
    """One of a list."""
    choices: Annotated[list[Choice], Field(min_length=1)]
    """The values tried, each once."""
    when: When | None = None
    """Searched only where these categorical parameters have one of the given values."""

    @model_validator(mode="after")
    def _choices_differ(self) -> Self:
        for index, choice in enumerate(self.choices):
            if choice in self.choices[:index]:
                raise broken_rule(f"choices must differ, got {choice!r} twice", "choices")
        return self


class TiedParameter(BaseModel):
    """A number that is not drawn: it follows another parameter."""

    model_config = _TYPED

    type: Literal["tied"] = "tied"
    """Not drawn."""
    to: Annotated[str, Field(min_length=1)]
    """The parameter it follows; where that one is not searched, this one is not either."""
    times: Annotated[float, Field(gt=0)] = 1.0
    """So many times the other's value."""


Sampled = FloatParameter | IntParameter | CategoricalParameter
"""What a sampler draws."""
Parameter = Annotated[
    FloatParameter | IntParameter | CategoricalParameter | TiedParameter,
    Field(discriminator="type"),
]


def contains(parameter: Sampled, value: object) -> bool:
    """Tell whether the sampler could propose `value`: within the range and on its grid."""
    if isinstance(parameter, CategoricalParameter):
        return value in parameter.choices
    if isinstance(value, str) or not isinstance(value, int | float):
        return False
    if not parameter.low <= value <= parameter.high:
        return False
    return not parameter.step or _on_grid(parameter.low, value, parameter.step)


def describe(parameter: Sampled) -> str:
    """Write a parameter's values in a few words."""
    if isinstance(parameter, CategoricalParameter):
        return ", ".join(str(choice) for choice in parameter.choices)
    every = f" by {parameter.step}" if parameter.step not in (None, 1) else ""
    return f"{parameter.low} to {parameter.high}{every}"


def on_grid(low: float, value: float, step: float) -> float:
    """Return the point of a grid that `value` is, as it is written: 0.3, not 0.1 + 2 x 0.1."""
    start, by = Fraction(str(low)), Fraction(str(step))
    return float(start + round((Fraction(value) - start) / by) * by)


def times(value: float, factor: float) -> Fraction:
    """Multiply as decimals, as written: 0.1 x 3e-3 is 3e-4, in binary 3.0000000000000003e-4."""
    return Fraction(str(value)) * Fraction(str(factor))


def _check_range(low: float, high: float, log: bool, step: float | None) -> None:
    if low > high:
        raise broken_rule(f"low <= high must hold, got low={low} and high={high}", "low", "high")
    if log and low <= 0:
        raise broken_rule(f"a logarithmic range needs low > 0, got {low}", "low")
    # Optuna lowers `high` to the grid with a warning; a range that means something else is refused.
    if step is not None and not _on_grid(low, high, step):
        raise broken_rule(
            f"high must be low plus a multiple of step, got low={low}, high={high}, step={step}",
            "high",
            "step",
        )


def _on_grid(low: float, value: float, step: float) -> bool:
    """Decide in decimals, as written: (0.3 - 0.1) / 0.1 is 2, in binary floats it is not."""
    return (Fraction(str(value)) - Fraction(str(low))) % Fraction(str(step)) == 0


def _require_type(schema: dict[str, object]) -> None:
    """Have editors ask for `type`, without which a parameter's kind would be a guess."""
    required = schema.get("required")
    schema["required"] = ["type", *(required if isinstance(required, list) else [])]
