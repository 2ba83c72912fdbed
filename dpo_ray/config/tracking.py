"""Where MLflow shows a sweep."""

from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

from dpo_ray.config.rules import STRICT, broken_rule
from dpo_ray.config.wording import show

TRACKING_SCHEMES = ("http", "https", "sqlite", "postgresql", "mysql", "mssql")


class TrackingConfig(BaseModel):
    """Where MLflow shows the sweep."""

    model_config = STRICT

    uri: str | None = None
    """An MLflow server or database; not set: a SQLite file in the store."""
    experiment: Annotated[str, Field(min_length=1, max_length=250)] = "dpo-ray"
    """The MLflow experiment of the sweep's runs."""

    @model_validator(mode="after")
    def _uri_is_a_server_or_database(self) -> Self:
        scheme, colon, rest = (self.uri or "").partition("://")
        known = scheme.partition("+")[0] in TRACKING_SCHEMES  # postgresql+psycopg2 names a driver
        if self.uri is not None and not (known and colon and rest):
            raise broken_rule(
                f"must be the URL of a server or a database, got {show(self.uri)}; "
                f"allowed: {', '.join(f'{scheme}://' for scheme in TRACKING_SCHEMES)}",
                "uri",
            )
        return self
