"""What MLflow holds of a sweep, beside what its journal says."""

from math import isfinite
from typing import Any

from mlflow import MlflowClient

from dpo_ray.tracking.mlflow_server import default_uri
from dpo_ray.tracking.state import SweepState
from tests.faults.life import Sweep

OF_STEPS = ("train/", "eval/", "system/")
Point = tuple[str, int, float]
TRIALS = {"COMPLETED": "FINISHED", "STOPPED": "FINISHED", "FAILED": "FAILED", "KILLED": "KILLED"}
"""What MLflow calls the ends of trials."""
SWEEPS = {0: "FINISHED", 130: "KILLED"}
"""What it calls the ends of sweeps, by exit code; all others have FAILED."""


def client_of(sweep: Sweep) -> MlflowClient:
    """Return a client of the store's database, which a server of the tests serves as well."""
    return MlflowClient(default_uri(sweep.store))


def all_runs_of(sweep: Sweep) -> tuple[Any, list[Any]]:
    """Return the sweep's parent run and all below it, the reference's included."""
    client = client_of(sweep)
    name = sweep.plan.sweep.tracking.experiment
    experiment = client.get_experiment_by_name(name).experiment_id
    (parent,) = client.search_runs([experiment], f"tags.`dpo_ray.sweep` = '{sweep.name}'")
    nested = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    return parent, list(client.search_runs([experiment], nested, max_results=10_000))


def runs_of(sweep: Sweep) -> tuple[Any, list[Any]]:
    """Return the sweep's parent run and those of its trials."""
    parent, nested = all_runs_of(sweep)
    return parent, [run for run in nested if run.data.tags["stage"] != "reference"]


def no_run_is_left(sweep: Sweep, state: SweepState) -> None:
    """See that no run of any stage is RUNNING, and that each has the end that the journal has."""
    parent, nested = all_runs_of(sweep)
    running = [run.info.run_name for run in (parent, *nested) if run.info.status == "RUNNING"]
    assert running == []
    assert state.ended is not None
    assert parent.info.status == SWEEPS.get(state.ended.exit_code, "FAILED")
    rows = {**state.trials, **state.confirmations}
    trials = [run for run in nested if run.data.tags["stage"] != "reference"]
    found = {int(run.data.tags["dpo_ray.trial"]): run.info.status for run in trials}
    assert len(found) == len(trials), "a trial has two runs"
    assert found == {number: TRIALS[row.status] for number, row in rows.items()}


def mlflow_is_the_journal(sweep: Sweep) -> int:
    """Compare MLflow with the journal, point for point; return how many lines tell any."""
    told: dict[int, set[Point]] = {}
    lines = [each for each in sweep.records if each.kind in ("train", "rung", "trial_ended")]
    for record in lines:  # a trial's end has metrics where a limit of the evaluation failed it
        metrics = {**record.metrics, **(record.system if record.kind == "train" else {})}
        points = {(key, record.step, each) for key, each in metrics.items() if isfinite(each)}
        told.setdefault(record.trial, set()).update(points)
    client = client_of(sweep)
    for run in runs_of(sweep)[1]:
        trial = int(run.data.tags["dpo_ray.trial"])
        keys = [key for key in run.data.metrics if key.startswith(OF_STEPS)]
        found = [
            (key, point.step, point.value)
            for key in keys
            for point in client.get_metric_history(run.info.run_id, key)
        ]
        assert len(found) == len(set(found)), f"a point of trial {trial} was written twice"
        assert set(found) == told.pop(trial, set()), f"trial {trial} differs"
    assert told == {}, "trials without a run"
    return sum(1 for record in lines if record.metrics)
