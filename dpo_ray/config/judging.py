"""Who decides which of two completions is better: three families of judges."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from dpo_ray.config.model import COMMIT
from dpo_ray.config.rules import STRICT, broken_rule

BUILT_IN = ("vader",)


class RewardJudge(BaseModel):
    """A Python function that scores completions; the higher score wins."""

    model_config = STRICT

    type: Literal["reward"] = "reward"
    """reward: a function in the form of TRL's reward functions."""
    function: Annotated[
        str, Field(pattern=r"^(vader|[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*)$")
    ] = "vader"
    """package.module:function, called as f(prompts=, completions=, chosen=, rejected=) and giving a
    number for each; vader: the sentiment score that labelled the embedded pairs."""
    tie: Annotated[float, Field(ge=0)] = 0.05
    """Scores that differ by no more than this are a tie."""

    @property
    def title(self) -> str:
        """What people call this judge."""
        return self.function


class RewardModelJudge(BaseModel):
    """A Hugging Face sequence-classification model that scores completions."""

    model_config = STRICT

    type: Literal["reward_model"]
    """reward_model: a model with one output, asked on the trial's own device."""
    model: Annotated[str, Field(min_length=1)]
    """A folder, or a hub id."""
    revision: str | None = None
    """Commit, branch or tag of a hub model."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Precision its weights are held in."""
    max_length: Annotated[int, Field(ge=16)] = 1024
    """Tokens of prompt and completion; longer texts lose their beginning."""
    batch_size: Annotated[int, Field(ge=1)] = 16
    """Texts scored together."""
    trust_remote_code: bool = False
    """Run the Python code that a hub model brings along; needs a revision of 40 hex digits."""
    tie: Annotated[float, Field(ge=0)] = 0.0
    """Scores that differ by no more than this are a tie."""

    @property
    def title(self) -> str:
        """What people call this judge."""
        return self.model

    @model_validator(mode="after")
    def _code_is_pinned(self) -> Self:
        if self.trust_remote_code and not COMMIT.fullmatch(self.revision or ""):
            raise broken_rule(
                "runs code of a hub, so revision must be a commit of 40 hex digits, "
                f"got {self.revision or 'nothing'}",
                "trust_remote_code",
                "revision",
            )
        return self


class LlmJudge(BaseModel):
    """A language model behind an OpenAI-compatible endpoint that compares two completions."""

    model_config = STRICT

    type: Literal["llm"]
    """llm: vLLM, Ollama or a hosted API; each comparison is asked in both orders."""
    model: Annotated[str, Field(min_length=1)]
    """The model's name at the endpoint."""
    url: Annotated[str, Field(pattern=r"^https?://[^\s@]+$")]
    """The whole address, such as http://127.0.0.1:8000/v1/chat/completions."""
    api_key_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """Environment variable that holds the key; the key itself stands in no file."""
    question: Annotated[str, Field(min_length=1)] = (
        "Which answer is more helpful, correct and harmless?"
    )
    """What the judge is asked about the two answers."""
    concurrency: Annotated[int, Field(ge=1, le=256)] = 8
    """Calls that one slot has open at the same time."""
    timeout_s: Annotated[float, Field(gt=0)] = 60.0
    """Seconds after which a call is tried again."""
    retries: Annotated[int, Field(ge=0, le=20)] = 4
    """Further attempts of a call, with growing pauses."""
    max_calls: Annotated[int, Field(ge=1)] = 10_000
    """Calls of the whole sweep; comparisons beyond it count as not judged."""
    max_failed: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Share of comparisons that may fail; beyond it the trial has failed."""

    @property
    def title(self) -> str:
        """What people call this judge."""
        return self.model


JudgeConfig = Annotated[RewardJudge | RewardModelJudge | LlmJudge, Field(discriminator="type")]
