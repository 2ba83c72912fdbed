"""How a trial is measured at its rungs, and when what it says is broken."""

from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

from dpo_ray.config.judging import JudgeConfig, RewardJudge
from dpo_ray.config.rules import STRICT, broken_rule

METRIC_GROUPS = ("rewards", "logps", "logratio", "dpo_weight", "displacement")
"""First parts of metric names that no judge may have."""
JudgeName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]


class LimitsConfig(BaseModel):
    """Signs of broken text that fail a trial, whatever its win rate. null turns one off."""

    model_config = STRICT

    max_repetition: Annotated[float, Field(ge=0, le=1)] | None = 0.3
    """Share of repeated n-grams, above the reference's own."""
    min_distinct: Annotated[float, Field(ge=0, le=1)] | None = 0.5
    """Distinct n-grams of all completions, as a part of the reference's."""
    min_eos_rate: Annotated[float, Field(ge=0, le=1)] | None = 0.25
    """Share of completions that end by themselves, as a part of the reference's."""
    min_length_ratio: Annotated[float, Field(ge=0)] | None = 0.2
    """Mean length, in units of the reference's."""
    max_length_ratio: Annotated[float, Field(gt=0)] | None = 5.0
    """Mean length, in units of the reference's."""
    max_kl_per_token: Annotated[float, Field(gt=0)] | None = 0.7
    """KL from the reference in nats, over the mean length: from about here on the reference would
    hardly ever write such text, and on the embedded language it is word salad."""
    max_kl: Annotated[float, Field(gt=0)] | None = None
    """KL from the reference, nats a completion."""
    min_movement: Annotated[float, Field(gt=0)] | None = 1e-5
    """Mean |D| of the pairs, nats, at a rung after warm-up: below it the policy is still the
    reference, and the learning rate does nothing."""


class EvaluationConfig(BaseModel):
    """How a trial is measured at its rungs."""

    model_config = STRICT

    judge: JudgeConfig = RewardJudge()
    """The judge behind win_rate."""
    further_judges: dict[JudgeName, JudgeConfig] = {}
    """Judges beside it, by name, each of the same keys; theirs are the metrics NAME/win_rate and
    NAME/score."""
    limits: LimitsConfig = LimitsConfig()
    """When a trial's text is broken, so that it has failed."""
    prompts: Annotated[int, Field(ge=1)] = 128
    """Validation prompts answered at each rung; more give a narrower interval."""
    max_new_tokens: Annotated[int, Field(ge=1)] = 40
    """Length limit of an answer."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Of the answers that are judged; KL is always measured at 1."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Of the answers that are judged; KL is always measured at 1."""
    batch_size: Annotated[int, Field(ge=1)] = 64
    """Prompts answered together by one worker."""
    at: Annotated[
        list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=1, validate_default=True)
    ] = [0.25, 0.5, 1.0]
    """Rungs, as shares of a trial's own steps; the last is 1."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Which prompts, and the randomness of the answers."""

    @property
    def judges(self) -> list[JudgeConfig]:
        """All judges, the one behind win_rate first."""
        return [self.judge, *self.further_judges.values()]

    @model_validator(mode="after")
    def _rungs_rise_to_the_end(self) -> Self:
        if self.at != sorted(set(self.at)) or self.at[-1] != 1.0:
            raise broken_rule(f"must rise strictly and end with 1.0, got {self.at}", "at")
        return self

    @model_validator(mode="after")
    def _judges_have_names_of_their_own(self) -> Self:
        for name in self.further_judges:
            if name in METRIC_GROUPS:
                raise broken_rule(
                    f"{name} is a group of metrics already; choose a name other than "
                    f"{', '.join(METRIC_GROUPS)}",
                    f"further_judges.{name}",
                )
        return self
