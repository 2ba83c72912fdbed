"""`dpo-ray promote NAME`: what a sweep recommends becomes the champion."""

from pathlib import Path
from typing import Annotated, Any

import typer

from dpo_ray.commands.finding import Name, sweep_folder
from dpo_ray.commands.tracked import Tracked, tracked
from dpo_ray.errors import ConfigError
from dpo_ray.exits import errors_on_screen
from dpo_ray.output import AsJson, give_json, results
from dpo_ray.sweep import Store
from dpo_ray.tracking.champion import CHAMPION, Promotion, promotion
from dpo_ray.tracking.mlflow_links import address, version_page
from dpo_ray.tracking.mlflow_registry import Registry, registered_name
from dpo_ray.tracking.mlflow_server import fail_fast_and_quietly
from dpo_ray.tracking.mlflow_texts import journal_id

HELP = """Give the alias `champion` to what a sweep recommends.

Every sweep registers its recommended adapter as a version of one model, named after the
experiment (or champion.model), with the alias `challenger`. What is served should be loaded by the
alias `champion`. This command moves it, whatever the numbers say; a sweep moves it by itself only
where its file has `champion:` and its policy is clearly better. It may be moved back by promoting
the earlier sweep.

\b
Examples:
  dpo-ray promote beta-1a2b3c4d
  dpo-ray promote beta-1a2b3c4d --tracking http://mlflow:5000 --json

\b
Exit codes: 0 done, or it was the champion already; 2 no such sweep, or it has no version yet;
7 the server does not answer.
"""


def promote(
    name: Name,
    tracking: Annotated[
        str | None,
        typer.Option(metavar="URI", help="MLflow server or database.", show_default="its own"),
    ] = None,
    store: Store = Path("store"),
    as_json: AsJson = False,
) -> None:
    """Run the command; the text of --help stands in HELP."""
    with errors_on_screen():
        sweep = tracked(sweep_folder(store, name), tracking)
        registry = _registry(sweep)
        found = promotion(registry.read(), journal_id(sweep.first))
        if found is None:
            raise ConfigError(_none(sweep, registry))
        if found.moves:
            registry.give_alias(CHAMPION, found.version)
        _tell(sweep, registry, found, as_json)


def _registry(sweep: Tracked) -> Registry:
    fail_fast_and_quietly()
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=sweep.uri, registry_uri=sweep.uri)
    return Registry(client, registered_name(_section(sweep), sweep.experiment))


def _section(sweep: Tracked) -> dict[str, Any]:
    """The sweep's own settings, as they were last."""
    plan = sweep.state.plan or sweep.first
    return dict(plan.plan.get("sweep", {}))


def _none(sweep: Tracked, registry: Registry) -> str:
    if sweep.state.recommended is None:
        return f"{sweep.name} recommends nothing yet: it has not ended, or no trial completed"
    if sweep.state.recommended.adapter is None:
        return f"{sweep.name} recommends a whole model, which is not registered by itself"
    return (
        f"{sweep.name} has no version of the registered model {registry.name}; "
        f"dpo-ray sync {sweep.name} registers it"
    )


def _tell(sweep: Tracked, registry: Registry, found: Promotion, as_json: bool) -> None:
    link = address(sweep.uri, version_page(registry.name, found.version))
    uri = f"models:/{registry.name}@{CHAMPION}"
    if as_json:
        give_json(
            {
                "sweep": sweep.name,
                "model": registry.name,
                "version": found.version,
                "previous": found.previous,
                "moved": found.moves,
                "uri": uri,
                "link": link,
            }
        )
        return
    before = f", before it was version {found.previous}" if found.previous else ""
    said = (
        f"{registry.name} version {found.version} is the champion{before}"
        if found.moves
        else f"{registry.name} version {found.version} was the champion already"
    )
    results().print(f"{said}: {uri}\n{link}", markup=False, highlight=False, soft_wrap=True)
