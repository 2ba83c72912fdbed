"""Who holds the alias `champion`, asked of MLflow's registry, and its adapter brought here."""

import shutil
from pathlib import Path

from dpo_ray.tracking.champion import CHAMPION, Version
from dpo_ray.tracking.mlflow_registry import Registry
from dpo_ray.tracking.mlflow_server import fail_fast_and_quietly, reachable

CHAMPIONS = "champions"
"""The folder of champions' adapters in a store."""


def holder(uri: str, model: str) -> Version | None:
    """Return the version that is the champion of a registered model; None where none is.

    Raises:
        TrackingUnreachable: nobody answers at `uri`.
        MlflowException: the registry refused.
    """
    reachable(uri)
    fail_fast_and_quietly()
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    return Registry(client, model).read().with_alias(CHAMPION)


def brought(model: str, version: Version) -> str:
    """Return the name of the folder that a version's adapter is brought to."""
    return f"{model}-v{version.number}"


def bring_adapter(uri: str, model: str, version: Version, store: Path) -> Path:
    """Return the folder of a version's adapter in the store, downloaded once.

    Raises:
        MlflowException, OSError: it cannot be had.
    """
    target = store / CHAMPIONS / brought(model, version)
    if target.is_dir():
        return target
    fail_fast_and_quietly()
    from mlflow.artifacts import download_artifacts

    building = target.with_name(f".{target.name}")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    found = download_artifacts(
        artifact_uri=version.source, dst_path=str(building), tracking_uri=uri
    )
    # What is brought may lie one level below, or, where it is a local path, be the original.
    inner = Path(found)
    if inner.resolve() != building.resolve() and not inner.is_relative_to(building):
        shutil.copytree(inner, building, dirs_exist_ok=True)
        inner = building
    inner.rename(target)
    shutil.rmtree(building, ignore_errors=True)
    return target
