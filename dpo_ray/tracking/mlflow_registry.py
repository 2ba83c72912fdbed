"""Policies in MLflow's model registry: each call may be made twice."""

import re
from collections.abc import Mapping
from typing import Any

from dpo_ray.tracking.champion import Registered, Version

SWEEP, JOURNAL, BEGAN = "sweep", "dpo_ray.journal", "dpo_ray.began"
WEIGHTS = "hash.weights"
_TAG_LENGTH = 5000


def model_name(experiment: str) -> str:
    """Return the registered model's name: the experiment's, without what MLflow cannot take."""
    return re.sub(r"[/:'\"`%]", "-", experiment)


def registered_name(sweep: Mapping[str, Any], experiment: str) -> str:
    """Return the name under which a sweep registers: `champion.model`, else the experiment's.

    `sweep` is the section of its plan.
    """
    asked = (sweep.get("champion") or {}).get("model")
    return model_name(experiment) if asked is None else str(asked)


class Registry:
    """One registered model on one server, through a client that is given."""

    def __init__(self, client: Any, name: str) -> None:
        self._client, self.name = client, name

    def read(self) -> Registered:
        """Return its versions and aliases; empty where it does not exist."""
        models = self._models()
        if not models:
            return Registered()
        found = self._client.search_model_versions(f"name = '{self.name}'", max_results=10_000)
        versions = [_version(each) for each in found]
        aliases = {alias: str(number) for alias, number in models[0].aliases.items()}
        return Registered(versions, aliases)

    def add(self, version: Version) -> Version:
        """Return a policy's version, which is made unless it was registered before."""
        return self.read().same_as(version) or self._create(version)

    def tell(self, number: str, description: str, tags: dict[str, str]) -> None:
        """Write what is known of a version."""
        self._client.update_model_version(self.name, number, description=description)
        self.tag(number, tags)

    def tag(self, number: str, tags: Mapping[str, str]) -> None:
        """Set tags of a version."""
        for key, value in tags.items():
            self._client.set_model_version_tag(self.name, number, key, value[:_TAG_LENGTH])

    def give_alias(self, alias: str, number: str) -> None:
        """Move an alias to a version."""
        self._client.set_registered_model_alias(self.name, alias, number)

    def _create(self, version: Version) -> Version:
        if not self._models():
            self._client.create_registered_model(
                self.name, description="What dpo-ray's sweeps recommend, one version each."
            )
        tags = {JOURNAL: version.sweep, BEGAN: repr(version.began)}
        made = self._client.create_model_version(
            self.name, version.source, run_id=version.run, tags=tags
        )
        return _version(made)

    def _models(self) -> list[Any]:
        return list(self._client.search_registered_models(f"name = '{self.name}'"))


def _version(found: Any) -> Version:
    return Version(
        number=str(found.version),
        sweep=found.tags.get(JOURNAL, ""),
        began=float(found.tags.get(BEGAN, 0.0)),
        run=found.run_id or "",
        source=found.source,
        name=found.tags.get(SWEEP, ""),
        weights=found.tags.get(WEIGHTS, ""),
    )
