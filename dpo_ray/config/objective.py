"""What a sweep looks for: one number, one number with a penalty, or two numbers."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from dpo_ray.config.rules import STRICT, broken_rule

LOWER_IS_BETTER = ("kl", "loss")
METRICS = (
    "win_rate",
    "win_rate_length_controlled",
    "gold_reward",
    "kl",
    "accuracy",
    "logratio_margin",
    "rewards/margins",
    "loss",
)
"""What may be an objective; of a further judge also NAME/win_rate and NAME/score."""


class PenaltyConfig(BaseModel):
    """What is taken off the metric: weight * max(0, KL - budget)."""

    model_config = STRICT

    metric: Literal["kl"] = "kl"
    """The distance from the reference, nats a completion."""
    budget: Annotated[float, Field(ge=0)]
    """So much of it costs nothing."""
    weight: Annotated[float, Field(gt=0)]
    """What each nat beyond costs, in the metric's own unit."""


class ObjectiveConfig(BaseModel):
    """A number by which trials are ranked."""

    model_config = STRICT

    metric: str = "win_rate"
    """An `eval/` metric without the prefix; loss and rewards/margins do not compare over beta."""
    direction: Literal["maximize", "minimize"] = "maximize"
    """Which end is better."""
    penalty: PenaltyConfig | None = None
    """Turns the metric into metric - weight * max(0, kl - budget)."""

    @model_validator(mode="after")
    def _direction_is_the_better_one(self) -> Self:
        lower = self.metric in LOWER_IS_BETTER
        better = "minimize" if lower else "maximize"
        if self.direction != better:
            raise broken_rule(
                f"{self.metric} is better when {'smaller' if lower else 'larger'}, "
                f"got direction {self.direction}; allowed: {better}",
                "direction",
                "metric",
            )
        return self

    @model_validator(mode="after")
    def _only_quality_is_penalised(self) -> Self:
        if self.penalty is not None and self.metric in LOWER_IS_BETTER:
            raise broken_rule(
                f"a penalty is taken off a metric that is to be large, got {self.metric}", "penalty"
            )
        return self


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


Objectives = Annotated[
    list[ObjectiveConfig],
    Field(min_length=1, max_length=2, validate_default=True),
    BeforeValidator(_as_list, json_schema_input_type=ObjectiveConfig | list[ObjectiveConfig]),
]
"""One objective, written as a map, or a list of two."""
