"""What all configuration models share: strictness, and a way to say which keys break a rule."""

from pydantic import ConfigDict
from pydantic_core import PydanticCustomError

STRICT = ConfigDict(
    frozen=True,
    extra="forbid",
    strict=True,
    allow_inf_nan=False,
    use_attribute_docstrings=True,
)
"""No unknown key, no silent conversion ("5" is not 5, true is not 1), no nan or infinity."""


def broken_rule(rule: str, *keys: str) -> PydanticCustomError:
    """Make a validator's error about `keys` (dotted, below the model); the first one is named."""
    return PydanticCustomError("broken_rule", "{rule}", {"rule": rule, "keys": keys})
