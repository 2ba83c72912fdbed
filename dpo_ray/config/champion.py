"""What a sweep's policy must do to be served in place of the present one."""

from typing import Annotated

from pydantic import BaseModel, Field

from dpo_ray.config.rules import STRICT


class ChampionConfig(BaseModel):
    """A comparison of the confirmed policy with the registered model's `champion`.

    Both answer the same test prompts with the same draws; the alias moves only where the new one
    is clearly better.
    """

    model_config = STRICT

    model: Annotated[str, Field(pattern=r"^[^/:'\"`%]{1,256}$")] | None = None
    """Name in MLflow's model registry; not set: the experiment's."""
    min_gain: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """The lower end of the gain's 95 % interval must lie above this, in the objective's own unit:
    0.02 is two points of win rate."""
    max_loss: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.05
    """A regression, exit code 8 and an alert, is a gain whose interval lies wholly below minus
    this: the champion is the best of many nights, and a little worse is no news."""
