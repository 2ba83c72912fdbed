"""A sweep whose driver is killed, again and again, and the same command each time."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter

import mlflow
import psutil
import pytest

from dpo_ray.tracking.journal import read_journal
from dpo_ray.tracking.state import fold
from tests.conftest import ROOT
from tests.sweeping import arguments

pytestmark = [pytest.mark.slow, pytest.mark.cluster_last]
LONG = pytest.mark.long
FEW = ("first steps", "confirming")
SETTINGS = (
    "training.max_steps=40",
    "training.checkpoint_steps=5",
    "training.learning_rate=5.0e-4",  # gentle: no trial may fail by a limit
    "search.trials=5",
    "evaluation.at=[0.25, 0.5, 1.0]",
    "confirm={top: 1, seeds: 2, prompts: 16}",
)
GONE_S = 20.0
AGENTS = {"ray::DashboardAgent", "ray::RuntimeEnvAgent"}
"""Ray's own agents try for a minute to tell a dead head that it died, and then leave."""
AGENTS_GONE_S = 75.0


def seen(state, status):
    return [row for row in state.trials.values() if row.status == status]


MOMENTS = {
    "first steps": lambda state: any(row.step >= 15 for row in state.trials.values()),
    "two done, one at work": lambda state: (
        len(state.with_status("COMPLETED", "STOPPED")) >= 2 and seen(state, "RUNNING")
    ),
    "the last trial": lambda state: len(state.with_status("COMPLETED", "STOPPED")) >= 4,
    "confirming": lambda state: any(
        row.status == "COMPLETED" for row in state.confirmations.values()
    ),
}


@pytest.fixture
def alone():
    """Each life of the sweep starts its own Ray, as on a machine of one's own."""
    import ray

    ray.shutdown()
    return {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}


@pytest.mark.parametrize(
    "moments", [pytest.param(FEW, id="two"), pytest.param(tuple(MOMENTS), id="all", marks=LONG)]
)
def test_a_killed_drivers_sweep_loses_nothing_and_leaves_nothing(store, alone, moments):
    name = f"killed-{len(moments)}"
    command = arguments(store, name, *SETTINGS, space="search_spaces/beta.yaml", small=True)
    path = store / "sweeps" / name / "journal.jsonl"
    over, agents = {}, []
    for moment in moments:
        agents += kill_when(command, alone, path, MOMENTS[moment], moment)
        state = fold(read_journal(path))
        assert kept(state, over) == over, f"changed by the life that ended at: {moment}"
        over = ends(state)
    last = subprocess.run(command, cwd=ROOT, env=alone, capture_output=True, text=True, timeout=240)
    assert last.returncode == 0, last.stderr

    records = read_journal(path)
    state = fold(records)
    assert len(state.lives) == len(moments) + 1
    assert sorted(state.trials) == list(range(5))
    assert kept(state, over) == over
    assert {row.status for row in state.trials.values()} <= {"COMPLETED", "STOPPED"}
    assert [row.status for row in state.confirmations.values()] == ["COMPLETED"] * 4
    assert state.verdict is not None
    told = Counter((r.kind, r.trial, r.step) for r in records if r.kind in ("train", "rung"))
    assert set(told.values()) == {1}, "a step was told twice"
    for row in state.trials.values():
        steps = [key[2] for key in told if key[:2] == ("train", row.number)]
        assert sorted(steps) == list(range(1, row.step + 1)), "a step is missing"
    assert any(r.kind == "trial_resumed" and r.step > 0 for r in records)
    runs_are_whole(store, state, name)
    assert "goes on: " in last.stderr
    assert not psutil.wait_procs(agents, timeout=AGENTS_GONE_S)[1]


def kill_when(command, environment, path, reached, moment):
    """Start the sweep, kill it at once when the journal says so, and see all but agents off."""
    driver = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=sys.stderr, start_new_session=True
    )
    deadline = time.monotonic() + 180
    while not (path.exists() and reached(fold(read_journal(path)))):
        assert driver.poll() is None, f"ended by itself before: {moment}"
        assert time.monotonic() < deadline, f"not reached: {moment}"
        time.sleep(0.05)
    family = psutil.Process(driver.pid).children(recursive=True)
    assert any("ray" in name_of(each) or "gcs" in name_of(each) for each in family)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    workers = [each for each in family if name_of(each) not in AGENTS]
    _, alive = psutil.wait_procs(workers, timeout=GONE_S)
    assert not alive, f"left behind by the kill at: {moment}"
    return [each for each in family if each.is_running()]


def name_of(process):
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""


def ends(state):
    """What was over, with its values: none of it may change again."""
    return {
        row.number: (row.status, row.step, row.ended, [rung.metrics for rung in row.rungs])
        for row in state.trials.values()
        if row.status in ("COMPLETED", "STOPPED")
    }


def kept(state, over):
    return {number: end for number, end in ends(state).items() if number in over}


def runs_are_whole(store, state, name):
    """One MLflow run for each trial, none left running, and the journal's last values in it."""
    client = mlflow.MlflowClient(f"sqlite:///{store}/mlflow.db")
    experiment = client.get_experiment_by_name("dpo-ray").experiment_id
    (parent,) = client.search_runs([experiment], f"tags.`dpo_ray.sweep` = '{name}'")
    nested = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    children = client.search_runs([experiment], nested)
    assert {run.info.status for run in [parent, *children]} == {"FINISHED"}
    children = [run for run in children if run.data.tags["stage"] != "reference"]
    rows = {**state.trials, **state.confirmations}
    assert sorted(int(run.data.tags["dpo_ray.trial"]) for run in children) == sorted(rows)
    for run in children:
        row = rows[int(run.data.tags["dpo_ray.trial"])]
        shown = {name: run.data.metrics[name] for name in row.metrics}
        assert shown == pytest.approx(row.metrics)
        points = client.get_metric_history(run.info.run_id, "train/loss")
        assert [point.step for point in points] == list(range(1, row.step + 1))
