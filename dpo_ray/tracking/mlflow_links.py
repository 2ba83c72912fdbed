"""Links into MLflow's pages, from `#` on: they work on whatever host shows the same database."""

import json
from collections.abc import Sequence
from urllib.parse import quote

from dpo_ray.config.redaction import redact_text
from dpo_ray.tracking.mlflow_server import database_file

LOCAL_HOST = "http://127.0.0.1:5000"
"""Where `mlflow ui` shows a database unless told otherwise."""
_RUNS = "#/experiments/{}/runs?workflowType=machine_learning"
"""The type in the URL is what opens the table of runs: a new browser shows another page."""


def address(uri: str, page: str) -> str:
    """Return the whole link to a page: on the server, or where a database will be shown."""
    host = LOCAL_HOST if database_file(uri) else redact_text(uri).rstrip("/")
    return f"{host}/{page}"


def run_page(experiment: str, run: str) -> str:
    """The page of one run."""
    return f"#/experiments/{experiment}/runs/{run}"


def artifact_page(experiment: str, run: str, path: str) -> str:
    """One artifact of a run, shown beside the list of all."""
    return f"{run_page(experiment, run)}/artifacts/{quote(path)}"


def version_page(model: str, version: str) -> str:
    """A version in the model registry."""
    return f"#/models/{quote(model)}/versions/{version}"


def table_page(experiment: str, wanted: str, key: str, ascending: bool = False) -> str:
    """The table of the runs that a search finds, ordered by a metric.

    By a metric and not by their beginning, which would show the parents as well, and folded.
    """
    order = f"&orderByKey={quote(f'metrics.`{key}`')}&orderByAsc={str(ascending).lower()}"
    return f"{_RUNS.format(experiment)}&searchFilter={quote(wanted)}{order}"


def compare_page(experiment: str, runs: Sequence[str]) -> str:
    """MLflow's page that compares runs, on which parallel coordinates are drawn."""
    asked = (json.dumps(part, separators=(",", ":")) for part in (runs, [experiment]))
    return "#/compare-runs?runs={}&experiments={}".format(*map(quote, asked))


def view_page(experiment: str, key: str) -> str:
    """A saved view of an experiment, as charts."""
    shown = f"&compareRunsMode=CHART&viewStateShareKey={quote(key)}"
    return _RUNS.format(experiment) + shown


def trials_of(parent: str) -> str:
    """The search that finds a sweep's trials, without its confirmation and its reference."""
    return f"tags.`mlflow.parentRunId` = '{parent}' and tags.stage = 'search'"
