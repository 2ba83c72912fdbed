"""One sweep as MLflow runs: a parent, and a child per trial and for the reference."""

from collections.abc import Callable
from functools import partial

from dpo_ray.data.report import DataReport
from dpo_ray.tracking.data_lines import data_lines
from dpo_ray.tracking.flags import flags
from dpo_ray.tracking.mlflow_book import REFERENCE, Key, RunBook
from dpo_ray.tracking.mlflow_champion import register
from dpo_ray.tracking.mlflow_experiment import share_view
from dpo_ray.tracking.mlflow_links import version_page
from dpo_ray.tracking.mlflow_note import note
from dpo_ray.tracking.mlflow_registry import Registry, registered_name
from dpo_ray.tracking.mlflow_texts import (
    champion_tags,
    end_tags,
    journal_id,
    plan_yaml,
    searched_params,
    sft_yaml,
    stage_tags,
    sweep_tags,
    verdict_tags,
)
from dpo_ray.tracking.mlflow_writer import RunWriter
from dpo_ray.tracking.records import (
    AnyRecord,
    ArtifactWritten,
    CandidateConfirmed,
    ChampionCompared,
    Confirmed,
    DataChecked,
    PolicyRecommended,
    Prepared,
    ReferenceEnded,
    ReferenceMetrics,
    ReferenceStarted,
    RungReached,
    SweepEnded,
    SweepPlanned,
    SweepResumed,
    TrainMetrics,
    TrialEnded,
    TrialResumed,
    TrialStarted,
    WarmStarted,
)
from dpo_ray.tracking.results import result_metrics, trial_result, whole_points
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.wording import run_name

Call = Callable[[], None]
_STATUS = {"COMPLETED": "FINISHED", "STOPPED": "FINISHED", "FAILED": "FAILED", "KILLED": "KILLED"}
_SWEEP_STATUS = {0: "FINISHED", 8: "FINISHED", 130: "KILLED"}
"""A sweep that finds a regression has run to its end."""


class SweepRuns:
    """The runs of one sweep on one server.

    Starting over changes nothing, so a mirror that was cut off begins the journal again. For one
    thread only: the one that may import MLflow.
    """

    def __init__(self, uri: str, experiment: str, state: SweepState) -> None:
        self._writer = RunWriter(uri, experiment)
        self.experiment = self._writer.experiment
        self._state = state
        self._book = RunBook(self._writer)
        sweep = state.plan.plan.get("sweep", {}) if state.plan else {}
        name = registered_name(sweep, experiment)
        self._registry = Registry(self._writer.client, name)
        self._journal = ""
        self._registered: list[str] = []
        self.view: str | None = None
        """Where all trials are compared, once that page is there."""

    @property
    def parent(self) -> str | None:
        """The sweep's own run, once it is open."""
        return self._book.runs.get(None)

    def calls(self, record: AnyRecord) -> list[Call]:
        """The steps that bring one record to MLflow; one that is refused leaves the others.

        Metrics only begin to wait: for their run's end, or for `flushes`.
        """
        match record:
            case SweepPlanned():
                opening = [partial(self._open_parent, record), partial(self._share_view, record)]
                return [*opening, self._write_plan, self._write_note]
            case SweepResumed():
                return [partial(self._book.reopen, None), self._write_plan, self._write_note]
            case WarmStarted(sweep=sweep, note=note):
                tags = {"warm_start.sweep": sweep, "warm_start.note": note}
                return [partial(self._book.tag, None, tags)]
            case TrialResumed():
                return [partial(self._book.reopen, record.trial)]
            case ReferenceStarted():
                beginning: list[Call] = [partial(self._open_reference, record)]
                return [*beginning, self._tag_reference, self._write_sft, self._write_note]
            case ReferenceMetrics(metrics=metrics, system=system, step=step, time=time):
                return [partial(self._book.hold, REFERENCE, metrics | system, step, time)]
            case ReferenceEnded():
                return [*self._reference_ending(record), self._write_note]
            case DataChecked():
                report = DataReport.model_validate(record.report)
                return [partial(self._book.dataset, None, report), partial(self._report, report)]
            case Prepared():
                return [partial(self._tag_hashes, record), partial(self._evaluated, record)]
            case TrialStarted():
                return [partial(self._open_child, record.trial)]
            case TrainMetrics(metrics=metrics, system=system, step=step, time=time):
                return [partial(self._book.hold, record.trial, metrics | system, step, time)]
            case RungReached():
                held = (record.metrics, record.step, record.time)
                return [partial(self._book.hold, record.trial, *held)]
            case TrialEnded():
                return self._ending(record)
            case ArtifactWritten():
                put = self._book.table if record.table else self._book.upload
                return [partial(put, record.trial, record.path, record.folder)]
            case CandidateConfirmed():
                return self._candidate(record)
            case Confirmed():
                return [partial(self._book.tag, None, verdict_tags(record)), self._write_note]
            case ChampionCompared():
                return [partial(self._book.tag, None, champion_tags(record)), self._write_note]
            case PolicyRecommended():
                return [partial(self._register, record)]
            case SweepEnded():
                return self._sweep_ending(record)
        return []

    def flushes(self) -> list[partial[None]]:
        """Write the metrics that wait: a step per run, in as few requests as MLflow allows."""
        return self._book.flushes()

    def forget_waiting(self) -> None:
        """Drop the metrics that wait: their records are about to be written again."""
        self._book.forget_waiting()

    def _open_parent(self, record: SweepPlanned) -> None:
        self._journal = journal_id(record)
        identity = {"dpo_ray.sweep": record.name, "dpo_ray.journal": self._journal}
        self._book.open(None, identity, record.name, record.time)
        versions = {f"version.{name}": version for name, version in record.versions.items()}
        self._book.tag(None, versions | {"dpo_ray.host": record.host} | sweep_tags(self._state))

    def _share_view(self, record: SweepPlanned) -> None:
        parent = self._book.runs[None]
        self.view = share_view(self._writer, self._state, record, parent)

    def _write_plan(self) -> None:
        self._book.text(None, plan_yaml(self._state), "plan.yaml")

    def _write_note(self) -> None:
        links = [f"[compare all trials]({self.view})"] if self.view else []
        text = note(self._state, self.experiment, self._book.runs, [*links, *self._registered])
        self._book.tag(None, {"mlflow.note.content": text})

    def _tag_hashes(self, record: Prepared) -> None:
        self._book.tag(None, {f"hash.{name}": value for name, value in record.hashes.items()})

    def _report(self, report: DataReport) -> None:
        self._book.text(None, report.model_dump_json(indent=2), "data_report.json")
        self._book.text(None, "\n".join(data_lines(report)), "data_report.txt")

    def _open_reference(self, record: ReferenceStarted | Prepared) -> None:
        identity = {"mlflow.parentRunId": self._book.runs[None], "stage": REFERENCE}
        self._book.open(REFERENCE, identity, REFERENCE, record.time)

    def _evaluated(self, record: Prepared) -> None:
        """Give the reference's own evaluation to its run, which begins here if it was not tuned."""
        tuned = self._state.sft is not None
        if not tuned:
            self._open_reference(record)
        self._tag_reference()
        result = result_metrics(record.reference, self._state.objectives)
        self._book.hold(REFERENCE, record.reference | result, 0, record.time)
        self._book.flush(REFERENCE)
        if not tuned:
            told = {"trial.state": "COMPLETED", "trial.reason": "evaluated as it is, not trained"}
            self._book.tag(REFERENCE, told)
            self._book.close(REFERENCE, "FINISHED", record.time)

    def _tag_reference(self) -> None:
        """Say whose it is. The model's hash is known once it is tuned, so this is said again."""
        self._book.tag(REFERENCE, sweep_tags(self._state))

    def _write_sft(self) -> None:
        self._book.text(REFERENCE, sft_yaml(self._state), "sft.yaml")

    def _open_child(self, number: int) -> None:
        trial = self._state.row(number)
        identity = {"mlflow.parentRunId": self._book.runs[None], "dpo_ray.trial": str(number)}
        self._book.open(number, identity, run_name(trial), trial.started)
        self._book.params(number, searched_params(trial, self._state.parameters))
        tags = {"trial.origin": trial.origin, "trial.folder": trial.folder}
        self._book.tag(number, tags | stage_tags(self._state, trial) | sweep_tags(self._state))
        if self._state.data is not None:
            self._book.dataset(number, DataReport.model_validate(self._state.data.report))

    def _candidate(self, record: CandidateConfirmed) -> list[Call]:
        """Put what was confirmed beside what was searched, in the candidate's own run."""
        planned = self._state.confirmation
        if planned is None:
            return []
        tried = planned.candidates[record.candidate]
        held = (record.metrics, tried.step, record.time)
        return [partial(self._book.hold, tried.trial, *held)]

    def _reference_ending(self, record: ReferenceEnded) -> list[Call]:
        tags = end_tags(record, record.reason) | {"reused": str(record.reused).lower()}
        return [
            partial(self._book.flush, REFERENCE),
            partial(self._book.tag, REFERENCE, tags),
            partial(self._book.close, REFERENCE, _STATUS[record.state], record.time),
        ]

    def _ending(self, record: TrialEnded) -> list[Call]:
        """The status comes last: a run that reads FINISHED is complete."""
        trial = self._state.row(record.trial)
        tags = end_tags(record, trial.reason)
        if signs := flags(trial.rungs):
            tags["trial.flags"] = "; ".join(signs)
        return [
            partial(self._book.hold, record.trial, record.metrics, record.step, record.time),
            partial(self._hold_result, record),
            partial(self._book.flush, record.trial),
            partial(self._book.tag, record.trial, tags),
            partial(self._upload_adapter, record.trial, record.adapter),
            partial(self._book.close, record.trial, _STATUS[record.state], record.time),
        ]

    def _hold_result(self, record: TrialEnded) -> None:
        found = trial_result(self._state, self._state.row(record.trial))
        if found is not None:
            rung, metrics = found
            self._book.hold(record.trial, metrics, rung.step, rung.time)

    def _register(self, record: PolicyRecommended) -> None:
        version = register(self._book, self._registry, self._state, record, self._journal)
        if version is not None:
            name = f"{self._registry.name} version {version.number}"
            link = version_page(self._registry.name, version.number)
            self._registered = [f"[registered as {name}]({link})"]

    def _sweep_ending(self, record: SweepEnded) -> list[Call]:
        sft = self._state.sft
        cut_off: list[Key] = [trial.number for trial in self._state.running]
        cut_off += [REFERENCE] * (sft is not None and sft.status == "RUNNING")
        tags = {"trial.state": "KILLED", "trial.reason": record.reason}
        status = _SWEEP_STATUS.get(record.exit_code, "FAILED")
        return [
            *(partial(self._book.tag, key, tags) for key in cut_off),
            *(partial(self._book.close, key, "KILLED", record.time) for key in cut_off),
            partial(self._write_whole, record),
            partial(self._book.tag, None, {"sweep.reason": record.reason}),
            self._write_note,
            partial(self._book.close, None, status, record.time),
        ]

    def _write_whole(self, record: SweepEnded) -> None:
        for metrics, step, time in whole_points(self._state, record):
            self._book.hold(None, metrics, step, time)
        self._book.flush(None)

    def _upload_adapter(self, trial: int, folder: str | None) -> None:
        if folder is not None:
            self._book.upload_once(trial, folder, "adapter", tag="trial.adapter")
