"""Parquet files as tables that MLflow's pages show."""

import json
from pathlib import Path

LOGGED = "mlflow.loggedArtifacts"
"""The tag by which MLflow's pages find a run's tables."""


def table_name(path: str, folder: str) -> str:
    """Return the artifact's name: `completions.json` for `.../completions.parquet`."""
    name = f"{Path(path).stem}.json"
    return f"{folder}/{name}" if folder else name


def table_json(path: str) -> str:
    """Return a table as `MlflowClient.log_table` stores it.

    Not by `log_table` itself, which appends to what is there: a mirror that starts again would
    write every row twice.
    """
    import pandas

    table = pandas.read_parquet(path)
    return str(table.to_json(orient="split", index=False, date_format="iso", force_ascii=False))


def logged_tag(names: list[str]) -> dict[str, str]:
    """Return the tag that lists a run's tables."""
    return {LOGGED: json.dumps([{"path": name, "type": "table"} for name in names])}
