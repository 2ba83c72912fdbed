"""The open MLflow runs of one sweep, by what they are of."""

from functools import partial
from typing import Any

from dpo_ray.data.report import DataReport
from dpo_ray.tracking.mlflow_tables import logged_tag, table_json, table_name
from dpo_ray.tracking.mlflow_writer import RunWriter, metric_points
from dpo_ray.tracking.records import Metrics

REFERENCE = "reference"
Key = int | str | None
"""A trial's number, REFERENCE for the model that all start from, None for the sweep's own run."""


class RunBook:
    """Which run is whose, and the metrics that still wait to be written to each."""

    def __init__(self, writer: RunWriter) -> None:
        self.runs: dict[Key, str] = {}
        self._writer = writer
        self._metrics: dict[Key, list[Any]] = {}
        self._tables: dict[Key, list[str]] = {}

    def open(self, key: Key, identity: dict[str, str], name: str, time: float) -> str:
        """Find the run with these tags, or create it, and return its id."""
        self.runs[key] = self._writer.find_or_create(identity, name, time)
        return self.runs[key]

    def hold(self, key: Key, metrics: Metrics, step: int, time: float) -> None:
        """Let metrics wait for `flush`. `time`: Unix seconds."""
        self._metrics.setdefault(key, []).extend(metric_points(metrics, step, time))

    def flush(self, key: Key) -> None:
        """Write what waits, in as few requests as MLflow allows."""
        self._writer.metrics(self.runs[key], self._metrics.get(key, []))
        self._metrics.pop(key, None)

    def flushes(self) -> list[partial[None]]:
        """A step per run that writes what waits for it."""
        return [partial(self.flush, key) for key in self._metrics]

    def forget_waiting(self) -> None:
        """Drop the metrics that wait: their records are about to be written again."""
        self._metrics.clear()

    def params(self, key: Key, params: dict[str, str]) -> None:
        """Log parameters; once logged they cannot change."""
        self._writer.params(self.runs[key], params)

    def tag(self, key: Key, tags: dict[str, str]) -> None:
        """Set tags."""
        self._writer.tags(self.runs[key], tags)

    def text(self, key: Key, text: str, name: str) -> None:
        """Write a text artifact."""
        self._writer.text(self.runs[key], text, name)

    def dataset(self, key: Key, report: DataReport) -> None:
        """Say what the run is trained on."""
        self._writer.dataset(self.runs[key], report)

    def table(self, key: Key, path: str, folder: str) -> None:
        """Show a Parquet file as a table."""
        name = table_name(path, folder)
        self.text(key, table_json(path), name)
        names = self._tables.setdefault(key, [])
        names += [name] * (name not in names)
        self.tag(key, logged_tag(names))

    def upload(self, key: Key, path: str, folder: str) -> None:
        """Copy a file, or what a folder holds, into the run's artifacts."""
        self._writer.upload(self.runs[key], path, folder)

    def upload_once(self, key: Key, path: str, folder: str, tag: str) -> None:
        """Upload what can be large; a tag says that it has arrived."""
        if not self._writer.has_tag(self.runs[key], tag):
            self.upload(key, path, folder)
            self.tag(key, {tag: path})

    def artifact_uri(self, key: Key) -> str:
        """Where the server keeps the run's artifacts."""
        return self._writer.artifact_uri(self.runs[key])

    def reopen(self, key: Key) -> None:
        """Show a run as running again: what was interrupted goes on."""
        self._writer.reopen(self.runs[key])

    def close(self, key: Key, status: str, time: float) -> None:
        """Set the run's final status and when it ended."""
        self._writer.close(self.runs[key], status, time)
