"""Preference pairs: where they come from, what is done with doubtful ones, how they are split."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from dpo_ray.config.rules import STRICT, broken_rule

Name = Annotated[str, Field(min_length=1)]
Action = Literal["keep", "drop", "stop"]
"""keep or drop the row, and count it; or stop before anything runs."""


class ColumnsConfig(BaseModel):
    """What the source calls the columns. Not set: by our own name, if it is there."""

    model_config = STRICT

    prompt: Name | None = None
    """Text or messages before both answers; without it their shared beginning is the prompt."""
    chosen: Name | None = None
    """The better answer."""
    rejected: Name | None = None
    """The worse answer."""
    tools: Name | None = None
    """Tools of a conversation, passed to the chat template."""


class WarningsConfig(BaseModel):
    """What happens to rows that are doubtful but not wrong. All are counted and reported."""

    model_config = STRICT

    identical_pair: Action = "drop"
    """Chosen equals rejected: there is nothing to prefer."""
    duplicate_pair: Action = "drop"
    """The same row again; dropping keeps the first."""
    contradicting_pair: Action = "keep"
    """The same prompt and answers with the preference turned round; dropping drops all of them."""
    long_prompt: Literal["drop", "stop"] = "drop"
    """The prompt has max_length tokens or more, so nothing of the answers is left to learn."""
    cut_completion: Action = "keep"
    """An answer is cut off at max_length."""


class DataConfig(BaseModel):
    """Preference pairs and how they are split."""

    model_config = STRICT

    source: Name = "embedded"
    """`embedded` (the toy's own pairs); a JSONL, JSON, CSV or Parquet file, or a glob of them; a
    folder of Dataset.save_to_disk; an s3://, gs:// or hf:// URL; or a hub dataset's id."""
    config: Name | None = None
    """Configuration (subset) of a hub dataset."""
    split: Name = "train"
    """Split of a hub dataset, or of a saved folder that has several."""
    revision: Name | None = None
    """Commit, tag or branch of a hub dataset; resolved to its commit once."""
    columns: ColumnsConfig = ColumnsConfig()
    """Other names of the columns."""
    warnings: WarningsConfig = WarningsConfig()
    """What happens to doubtful rows."""
    max_length: Annotated[int, Field(ge=2)] = 512
    """Tokens of prompt and completion together; longer ones are cut."""
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the prompts that trials are compared on."""
    test: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Share of the prompts that the search never sees."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Read only so many rows."""

    @model_validator(mode="after")
    def _some_prompts_train(self) -> Self:
        if self.validation + self.test >= 1:
            raise broken_rule(
                f"validation + test must be < 1, got {self.validation} + {self.test}",
                "validation",
                "test",
            )
        return self
