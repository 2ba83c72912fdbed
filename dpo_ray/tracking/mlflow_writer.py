"""The few MLflow calls a mirror needs, each of which may be made twice.

Runs are found by their tags before they are created, metric points carry the journal's times,
and the rest overwrites itself.
"""

import getpass
from contextlib import suppress
from math import isfinite
from pathlib import Path
from typing import Any

from dpo_ray.config.redaction import redact, redact_text
from dpo_ray.data.report import DataReport
from dpo_ray.tracking.mlflow_data import dataset_input
from dpo_ray.tracking.mlflow_server import database_file, keep_quiet, refuse_served_place
from dpo_ray.tracking.records import Metrics

METRICS_PER_CALL = 1000
_TAG_LENGTH = 8000


class RunWriter:
    """One experiment on one server. For the mirror's thread only, which imports MLflow here."""

    def __init__(self, uri: str, experiment: str) -> None:
        from mlflow import MlflowClient  # seconds to import, and never in the driver's thread

        keep_quiet()
        self.client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        self.experiment = _open_experiment(self.client, uri, experiment)

    def find_or_create(self, identity: dict[str, str], name: str, time: float) -> str:
        """The id of the run with these tags. An answer may be lost, so a retry looks as well."""
        wanted = " and ".join(f"tags.`{key}` = '{value}'" for key, value in identity.items())
        found = self.client.search_runs([self.experiment], wanted, max_results=1)
        if found:
            return str(found[0].info.run_id)
        tags = identity | {"mlflow.user": _user()}
        run = self.client.create_run(
            self.experiment, start_time=_milliseconds(time), tags=tags, run_name=name
        )
        return str(run.info.run_id)

    def params(self, run: str, params: dict[str, str]) -> None:
        """Log parameters; once logged they cannot change."""
        from mlflow.entities import Param

        self.client.log_batch(run, params=[Param(*pair) for pair in params.items()])

    def metrics(self, run: str, points: list[Any]) -> None:
        """Log what `metric_points` made, in as few requests as MLflow allows."""
        for start in range(0, len(points), METRICS_PER_CALL):
            self.client.log_batch(run, metrics=points[start : start + METRICS_PER_CALL])

    def tags(self, run: str, tags: dict[str, str]) -> None:
        """Set tags, without their secrets."""
        from mlflow.entities import RunTag

        shown = {key: redact_text(value)[:_TAG_LENGTH] for key, value in redact(tags).items()}
        self.client.log_batch(run, tags=[RunTag(*pair) for pair in shown.items()])

    def has_tag(self, run: str, tag: str) -> bool:
        """Whether the run on the server has this tag."""
        return tag in self.client.get_run(run).data.tags

    def dataset(self, run: str, report: DataReport) -> None:
        """Log the pairs as a dataset input; a second time changes nothing."""
        self.client.log_inputs(run, [dataset_input(report)])

    def text(self, run: str, text: str, name: str) -> None:
        """Write a text artifact."""
        self.client.log_text(run, text, name)

    def upload(self, run: str, path: str, folder: str) -> None:
        """Copy a file, or what a folder holds, into the run's artifacts."""
        whole = Path(path).is_dir()
        send = self.client.log_artifacts if whole else self.client.log_artifact
        send(run, path, folder or None)

    def artifact_uri(self, run: str) -> str:
        """Where the server keeps a run's artifacts."""
        return str(self.client.get_run(run).info.artifact_uri)

    def experiment_tag(self, key: str) -> str:
        """Return a tag of the experiment; empty where it has none."""
        return str(self.client.get_experiment(self.experiment).tags.get(key, ""))

    def tag_experiment(self, key: str, value: str) -> None:
        """Set a tag of the experiment, unless it has this value already."""
        if self.experiment_tag(key) != value:
            self.client.set_experiment_tag(self.experiment, key, value)

    def reopen(self, run: str) -> None:
        """Set the run's status back to RUNNING."""
        self.client.update_run(run, status="RUNNING")

    def close(self, run: str, status: str, time: float) -> None:
        """Set the run's final status, FINISHED, FAILED or KILLED, and when it ended."""
        self.client.set_terminated(run, status, end_time=_milliseconds(time))


def metric_points(metrics: Metrics, step: int, time: float) -> list[Any]:
    """Metrics for MLflow, the non-finite left out.

    MLflow stores inf as 1.8e308, which flattens every axis it is drawn on.
    """
    from mlflow.entities import Metric

    finite = {key: value for key, value in metrics.items() if isfinite(value)}
    return [Metric(key, value, _milliseconds(time), step) for key, value in finite.items()]


def _open_experiment(client: Any, uri: str, name: str) -> str:
    """Find the experiment, or create it with the store's artifact folder if the store is local.

    Raises:
        ConfigError: a server made it, and `uri` is its database.
    """
    found = client.get_experiment_by_name(name)
    if found is None:
        database = database_file(uri)
        place = (database.parent / "artifacts").as_uri() if database else None
        return str(client.create_experiment(name, artifact_location=place))
    refuse_served_place(str(found.artifact_location), uri, name)
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _milliseconds(time: float) -> int:
    return round(time * 1000)


def _user() -> str:
    with suppress(OSError, KeyError):  # no entry in a container's passwd
        return getpass.getuser()
    return "unknown"
