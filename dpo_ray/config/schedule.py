"""When a sweep runs by itself, and what its nights keep and teach."""

from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, Field, model_validator

from dpo_ray.config.cron import cron_trigger
from dpo_ray.config.rules import STRICT, broken_rule
from dpo_ray.config.wording import show


class ScheduleConfig(BaseModel):
    """When the sweep runs by itself: each run is a night with a name and a seed of its own."""

    model_config = STRICT

    cron: str
    """Minute, hour, day, month and weekday, as in a crontab: `30 2 * * *` is half past two."""
    timezone: str = "Etc/UTC"
    """Whose clock, such as Europe/Berlin. On days that change the clock a night runs once."""
    catch_up: Literal["latest", "none"] = "latest"
    """After the scheduler was down: run the latest night it missed, or none of them."""
    warm_configs: Annotated[int, Field(ge=0)] = 20
    """So many of the best configurations of earlier nights run again; where data, model and metric
    are the same their results teach the sampler, too."""
    keep: Annotated[int, Field(ge=1)] | None = None
    """So many nights keep their weights and cache entries, as does the champion's; not set: all.
    Journals, tables, pages and what MLflow holds always stay."""

    @model_validator(mode="after")
    def _is_a_time(self) -> Self:
        try:
            cron_trigger(self.cron)
        except ValueError as error:
            raise broken_rule(str(error), "cron") from None
        return self

    @model_validator(mode="after")
    def _is_a_place(self) -> Self:
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise broken_rule(
                f"must be a name of the IANA time zones, got {show(self.timezone)}; "
                "such as Etc/UTC, Europe/Berlin, America/New_York",
                "timezone",
            ) from None
        return self


class AlertsConfig(BaseModel):
    """Who hears of a night that went wrong; nobody's silence fails a night."""

    model_config = STRICT

    webhook_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """Environment variable that holds the address a small JSON is posted to: the address itself is
    a secret and stands in no file."""
    summary: str | None = None
    """A file to which a summary in Markdown is appended; $GITHUB_STEP_SUMMARY where that is set."""
    always: bool = False
    """Tell of nights that went well, too."""
