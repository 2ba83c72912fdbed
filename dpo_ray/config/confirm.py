"""How a search's winners are tried again before anything is believed of them."""

from typing import Annotated

from pydantic import BaseModel, Field

from dpo_ray.config.rules import STRICT


class ConfirmConfig(BaseModel):
    """Retraining of the best on fresh seeds, judged on prompts that the search never saw."""

    model_config = STRICT

    top: Annotated[int, Field(ge=1)] = 3
    """So many of the search's best; the default configuration is retrained beside them."""
    seeds: Annotated[int, Field(ge=2)] = 3
    """Trainings of each: other order of the pairs, other first weights, other samples."""
    prompts: Annotated[int, Field(ge=1)] | None = None
    """Test prompts to judge on; not set: all there are."""
