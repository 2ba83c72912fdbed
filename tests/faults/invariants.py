"""What holds of a sweep after every fault, checked by one function."""

import tempfile
import time
from collections import Counter
from math import isfinite
from pathlib import Path
from typing import Any

import psutil
from mlflow import MlflowClient

from dpo_ray.search.study import StudySearch
from dpo_ray.search.warm_start import first_in_turn
from dpo_ray.tracking.mlflow_server import default_uri
from dpo_ray.tracking.state import SweepState
from tests.faults.life import SECRETS, Ended, Sweep, ends, name_of

GONE_S = 20.0
AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent", "dashboard/agent.py", "runtime_env/agent")
"""Ray's own agents try for a minute to tell a dead head that it died, and then leave."""
AGENTS_GONE_S = 75.0
OF_STEPS = ("train/", "eval/", "system/")
Point = tuple[str, int, float]
KINDS = {"COMPLETED": "FINISHED", "STOPPED": "FINISHED", "FAILED": "FAILED", "KILLED": "KILLED"}
"""What MLflow calls the ends of trials."""


def hold(
    sweep: Sweep,
    ended: Ended,
    *,
    code: int,
    within_s: float,
    kept: dict[int, tuple[object, ...]] | None = None,
) -> SweepState:
    """Return the sweep's state once everything that must hold after a fault does.

    `kept` is what was over before the fault (`ends`). The sweep ended by itself: `ended`.
    """
    state = sweep.state
    _ended_in_time(ended, within_s)  # i1
    _ended_with_a_reason(state, ended, code)  # i2
    _no_run_is_left(sweep, state)  # i3
    _no_trial_is_left(sweep, state)  # i4
    _each_trial_ran_once(sweep, state, kept or {})  # i5
    nobody_is_left(sweep)  # i6
    no_secret_is_out(sweep)  # i7
    return state


def _ended_in_time(ended: Ended, within_s: float) -> None:
    assert ended.seconds <= within_s


def _ended_with_a_reason(state: SweepState, ended: Ended, code: int) -> None:
    assert ended.code == code, ended.errors
    assert state.ended is not None
    assert state.ended.exit_code == code
    assert state.ended.reason
    assert "\n" not in state.ended.reason
    said = [line for line in ended.errors.splitlines() if line.startswith("Error: ")]
    assert said == ([] if code == 0 else [f"Error: {state.ended.reason}"])
    assert "Traceback" not in ended.errors
    assert "Traceback" not in ended.screen


def _no_run_is_left(sweep: Sweep, state: SweepState) -> None:
    parent, children = runs_of(sweep)
    expected = {0: "FINISHED", 130: "KILLED"}.get(state.ended.exit_code if state.ended else -1)
    assert parent.info.status == expected or (expected is None and parent.info.status != "RUNNING")
    rows = {**state.trials, **state.confirmations}
    found = {int(run.data.tags["dpo_ray.trial"]): run.info.status for run in children}
    assert len(found) == len(children), "a trial has two runs"
    assert found == {number: KINDS[row.status] for number, row in rows.items()}


def _no_trial_is_left(sweep: Sweep, state: SweepState) -> None:
    assert state.running == []
    plan = sweep.plan
    objectives = [each.model_dump(mode="json") for each in plan.sweep.objective]
    first = first_in_turn(plan, state.warm)
    study = StudySearch(plan.sweep.search, plan.space, objectives, first, state).study
    assert "RUNNING" not in {trial.state.name for trial in study.get_trials()}


def _each_trial_ran_once(
    sweep: Sweep, state: SweepState, kept: dict[int, tuple[object, ...]]
) -> None:
    records = sweep.records
    now = ends(state)
    assert {number: now.get(number) for number in kept} == kept
    lines = Counter((r.kind, r.trial, r.step) for r in records if r.kind in ("train", "rung"))
    assert {line: times for line, times in lines.items() if times > 1} == {}, "told twice"
    begun = Counter(r.trial for r in records if r.kind == "trial_started")
    assert set(begun.values()) <= {1}, "a trial was begun twice"
    final = Counter(r.trial for r in records if r.kind == "trial_ended" and r.state != "KILLED")
    assert set(final.values()) <= {1}, "a trial ended twice"
    logged = sweep.plan.sweep.training.logging_steps
    for row in [*state.trials.values(), *state.confirmations.values()]:
        if row.status in ("COMPLETED", "STOPPED"):
            steps = [step for kind, trial, step in lines if (kind, trial) == ("train", row.number)]
            expected = list(range(logged, row.step + 1, logged))
            # A driver may die between a rung's verdict and that step's last line.
            settled = row.status == "STOPPED" and not row.timings and expected[:-1]
            assert sorted(steps) in (expected, settled), f"a step of {row.name} is missing"


def nobody_is_left(sweep: Sweep, agents: bool = True) -> None:
    """See every process of the sweep off, and on a cluster that stays all it had reserved.

    `agents=False` does not wait for Ray's own, which take a minute after a driver's death.
    """
    family = list(sweep.family.values())
    slow = [each for each in family if any(name in name_of(each) for name in AGENTS)]
    quick = [each for each in family if each not in slow]
    _, alive = psutil.wait_procs(quick, timeout=GONE_S)
    assert not [name_of(each) for each in alive if _lives(each)]
    if agents:
        _, alive = psutil.wait_procs(slow, timeout=AGENTS_GONE_S)
        assert not [name_of(each) for each in alive if _lives(each)]
    if sweep.cluster is not None:
        _nothing_is_reserved(sweep)


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _nothing_is_reserved(sweep: Sweep) -> None:
    import ray
    from ray.util import placement_group_table

    def reserved() -> dict[str, Any]:
        groups = placement_group_table().values()
        open_groups = [each for each in groups if each["state"] != "REMOVED"]
        free, total = ray.available_resources(), ray.cluster_resources()
        cpus = total["CPU"] - free.get("CPU", 0.0)
        return {"groups": open_groups, "cpus": cpus} if open_groups or cpus > 1e-6 else {}

    deadline = time.monotonic() + GONE_S
    while reserved() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert reserved() == {}
    named = ray.util.list_named_actors()
    assert [name for name in named if name.startswith(f"{sweep.name}-")] == []


def no_secret_is_out(sweep: Sweep) -> None:
    """Look for every canary in all that the sweep has written anywhere."""
    secrets = [value.encode() for value in [*SECRETS.values(), *_own_secrets(sweep)]]
    for text in sweep.said:
        assert not [secret for secret in secrets if secret in text.encode()], "on the screen"
    lives = {str(life.pid) for life in _planned(sweep)}
    sessions = Path(tempfile.gettempdir(), "ray").glob("session_*")
    logs = [each / "logs" for each in sessions if each.name.rpartition("_")[2] in lives]
    for place in [sweep.store, *logs]:
        for path in place.rglob("*"):
            if path.is_file() and not path.is_symlink():
                content = path.read_bytes()
                assert not [secret for secret in secrets if secret in content], path


def _own_secrets(sweep: Sweep) -> list[str]:
    return [
        value
        for key, value in sweep.environment.items()
        if value.startswith("canary-") and key not in SECRETS
    ]


def _planned(sweep: Sweep) -> list[Any]:
    return [record for record in sweep.records if record.kind in ("planned", "resumed")]


def client_of(sweep: Sweep) -> MlflowClient:
    """Return a client of the store's database, which a server of the tests serves as well."""
    return MlflowClient(default_uri(sweep.store))


def runs_of(sweep: Sweep) -> tuple[Any, list[Any]]:
    """Return the sweep's parent run and those of its trials."""
    client = client_of(sweep)
    name = sweep.plan.sweep.tracking.experiment
    experiment = client.get_experiment_by_name(name).experiment_id
    (parent,) = client.search_runs([experiment], f"tags.`dpo_ray.sweep` = '{sweep.name}'")
    nested = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    children = client.search_runs([experiment], nested, max_results=1000)
    return parent, [run for run in children if run.data.tags["stage"] != "reference"]


def mlflow_is_the_journal(sweep: Sweep) -> int:
    """Compare every point of every trial in MLflow with the journal; return how many there are."""
    told: dict[int, set[Point]] = {}
    for record in sweep.records:
        if record.kind in ("train", "rung"):
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
        assert set(found) == told.pop(trial), f"trial {trial} differs"
    assert told == {}, "trials without a run"
    return sum(1 for record in sweep.records if record.kind in ("train", "rung"))
