"""One sweep as MLflow runs: a parent, and a child per trial."""

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any

from dpo_ray.tracking.mlflow_texts import note, plan_yaml, searched_params
from dpo_ray.tracking.mlflow_writer import RunWriter, metric_points
from dpo_ray.tracking.records import (
    AnyRecord,
    ArtifactWritten,
    Prepared,
    RungReached,
    SweepEnded,
    SweepPlanned,
    TrainMetrics,
    TrialEnded,
    TrialStarted,
)
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.wording import run_name

Call = Callable[[], None]
_STATUS = {"COMPLETED": "FINISHED", "STOPPED": "FINISHED", "FAILED": "FAILED", "KILLED": "KILLED"}
_SWEEP_STATUS = {0: "FINISHED", 130: "KILLED"}


class SweepRuns:
    """The runs of one sweep on one server, by trial number; None is the sweep's own run.

    Starting over changes nothing, so a mirror that was cut off begins the journal again. For one
    thread only: the one that may import MLflow.
    """

    def __init__(self, uri: str, experiment: str, state: SweepState) -> None:
        self._writer = RunWriter(uri, experiment)
        self.experiment = self._writer.experiment
        self._state = state
        self._runs: dict[int | None, str] = {}
        self._metrics: dict[int | None, list[Any]] = {}

    @property
    def parent(self) -> str | None:
        """The sweep's own run, once it is open."""
        return self._runs.get(None)

    def calls(self, record: AnyRecord) -> list[Call]:
        """The steps that bring one record to MLflow; one that is refused leaves the others.

        Metrics only begin to wait: for their trial's end, or for `flushes`.
        """
        match record:
            case SweepPlanned():
                return [partial(self._open_parent, record), self._write_plan, self._write_note]
            case Prepared():
                return [partial(self._tag_hashes, record)]
            case TrialStarted():
                return [partial(self._open_child, record.trial)]
            case TrainMetrics() | RungReached():
                return [partial(self._hold, record.trial, record)]
            case TrialEnded():
                return self._ending(record)
            case ArtifactWritten():
                return [partial(self._upload, record.trial, record.path, record.folder)]
            case SweepEnded():
                return self._sweep_ending(record)
        return []

    def flushes(self) -> list[Call]:
        """Write the metrics that wait: a step per run, in as few requests as MLflow allows."""
        return [partial(self._flush, trial) for trial in self._metrics]

    def forget_waiting(self) -> None:
        """Drop the metrics that wait: their records are about to be written again."""
        self._metrics.clear()

    def _open_parent(self, record: SweepPlanned) -> None:
        origin = f"{record.host}:{record.pid}:{record.time!r}"
        identity = {
            "dpo_ray.sweep": record.name,
            # The name alone could be another store's, or an older journal's.
            "dpo_ray.journal": hashlib.sha256(origin.encode()).hexdigest()[:12],
        }
        self._runs[None] = self._writer.find_or_create(identity, record.name, record.time)
        versions = {f"version.{name}": version for name, version in record.versions.items()}
        self._tag(None, versions | {"dpo_ray.host": record.host})

    def _write_plan(self) -> None:
        self._writer.text(self._runs[None], plan_yaml(self._state), "plan.yaml")

    def _write_note(self) -> None:
        text = note(self._state, self.experiment, self._runs)
        self._tag(None, {"mlflow.note.content": text})

    def _tag_hashes(self, record: Prepared) -> None:
        self._tag(None, {f"hash.{name}": value for name, value in record.hashes.items()})

    def _open_child(self, number: int) -> None:
        trial = self._state.trials[number]
        identity = {"mlflow.parentRunId": self._runs[None], "dpo_ray.trial": str(number)}
        self._runs[number] = self._writer.find_or_create(identity, run_name(trial), trial.started)
        self._writer.params(self._runs[number], searched_params(trial, self._state.parameters))
        self._tag(number, {"trial.origin": trial.origin, "trial.folder": trial.folder})

    def _hold(self, trial: int | None, record: TrainMetrics | RungReached) -> None:
        self._metrics.setdefault(trial, []).extend(metric_points(record))

    def _flush(self, trial: int | None) -> None:
        self._writer.metrics(self._runs[trial], self._metrics.get(trial, []))
        self._metrics[trial] = []

    def _ending(self, record: TrialEnded) -> list[Call]:
        """The status comes last: a run that reads FINISHED is complete."""
        reason = self._state.trials[record.trial].reason
        tags = {"trial.state": record.state, "trial.reason": reason}
        return [
            partial(self._flush, record.trial),
            partial(self._tag, record.trial, tags),
            partial(self._upload_adapter, record.trial, record.adapter),
            partial(self._close, record.trial, _STATUS[record.state], record.time),
        ]

    def _sweep_ending(self, record: SweepEnded) -> list[Call]:
        cut_off = [trial.number for trial in self._state.with_status("RUNNING")]
        tags = {"trial.state": "KILLED", "trial.reason": record.reason}
        status = _SWEEP_STATUS.get(record.exit_code, "FAILED")
        return [
            *(partial(self._tag, trial, tags) for trial in cut_off),
            *(partial(self._close, trial, "KILLED", record.time) for trial in cut_off),
            partial(self._copy_best, record.best),
            partial(self._tag, None, {"sweep.reason": record.reason}),
            self._write_note,
            partial(self._close, None, status, record.time),
        ]

    def _copy_best(self, best: int | None) -> None:
        if best is not None and self._state.trials[best].rungs:
            self._hold(None, self._state.trials[best].rungs[-1])
            self._flush(None)

    def _upload_adapter(self, trial: int, folder: str | None) -> None:
        """An adapter can be large, so a tag says that it has arrived."""
        if folder is not None and not self._writer.has_tag(self._runs[trial], "trial.adapter"):
            self._upload(trial, folder, "adapter")
            self._tag(trial, {"trial.adapter": folder})

    def _upload(self, trial: int | None, path: str, folder: str) -> None:
        self._writer.upload(self._runs[trial], path, folder)

    def _tag(self, trial: int | None, tags: dict[str, str]) -> None:
        self._writer.tags(self._runs[trial], tags)

    def _close(self, trial: int | None, status: str, time: float) -> None:
        self._writer.close(self._runs[trial], status, time)
