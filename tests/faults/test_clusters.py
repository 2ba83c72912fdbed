"""Jobs on a cluster: one that lies, one that falls silent, and a job that is stopped there."""

import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from dpo_ray.cluster.jobs import ANSWER_S
from tests.cluster.nodes import RAY, TwoNodes
from tests.cluster.stub import JobsStub
from tests.faults.invariants import hold
from tests.faults.leftovers import strangers
from tests.faults.life import SLOT, STAND_IN, WORKER, Sweep, ends, name_of
from tests.faults.mirrored import no_run_is_left
from tests.sweeping import FIRST, ROOT

BUDGET_S, MARGIN_S = 2.0, 1.0
GRACE_S, WITHIN_S = 90.0, 240.0
LATE_S = 15.0
"""What a start and the questions in between take beside the deadline."""


def follow(stub: JobsStub, store, *settings: str) -> tuple["subprocess.Popen[str]", float]:
    """Submit a sweep to the stub; return its submitter and when that began."""
    words = [*FIRST, "search_spaces/beta.yaml", "--store", str(store)]
    for each in (f"cluster.address={stub.address}", *settings):
        words += ["--set", each]
    began = time.monotonic()
    process = subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    return process, began


@pytest.mark.injects("a Jobs API on loopback that says RUNNING for ever")
def test_fault_08_the_scheduler_says_running_for_ever(tmp_path, recovered):
    deadline = (
        f"budget.hours={BUDGET_S / 3600}",
        "budget.grace_minutes=0",
        f"cluster.margin_minutes={MARGIN_S / 60}",
    )
    with JobsStub() as stub:
        process, began = follow(stub, tmp_path, *deadline)
        error = process.communicate(timeout=60)[1]
        took_s = time.monotonic() - began
    assert process.returncode == 7
    assert took_s < BUDGET_S + MARGIN_S + LATE_S
    (job,) = stub.submitted
    assert f"Error: {job['submission_id']} is said to be RUNNING" in error
    assert "Traceback" not in error
    recovered(took_s - BUDGET_S - MARGIN_S)


class Mute(JobsStub):
    """One that, once it is silent, takes every question about a job and never answers."""

    def __init__(self) -> None:
        super().__init__()
        self._over = threading.Event()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        super().__exit__()

    def told(self, path: str, shown: str | None) -> tuple[int, Any]:
        if self.silent and path.startswith("/api/jobs/"):
            self._over.wait()
        return super().told(path, shown)


@pytest.mark.parametrize(("kind", "answer_s"), [(JobsStub, 0.0), (Mute, ANSWER_S)])
@pytest.mark.injects("a Jobs API that says 503, or nothing at all, while the job runs")
def test_fault_08_the_head_falls_silent(tmp_path, recovered, kind, answer_s):
    with kind() as stub:
        process, _ = follow(stub, tmp_path, "cluster.silent_minutes=0.05")
        assert process.stderr.readline().startswith("Submitted to ")
        stub.silent = True
        silent = time.monotonic()
        error = process.communicate(timeout=2 * ANSWER_S + LATE_S)[1]
        took_s = time.monotonic() - silent
    assert process.returncode == 7
    assert took_s < 3 + answer_s + LATE_S
    assert "no word of " in error
    assert "Traceback" not in error
    recovered(took_s)


@pytest.fixture
def nodes(alone) -> Iterator[TwoNodes]:
    """A cluster of `ray start`; Ray's sockets lie below its folder, so that is a short name."""
    folder = Path(tempfile.mkdtemp(prefix="two-"))
    cluster = TwoNodes(folder, cpus=1)
    yield cluster
    cluster.end()
    shutil.rmtree(folder)


def at_work(state):
    return sum(row.step >= 10 for row in state.running) >= 2


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.cluster_last
@pytest.mark.injects("`ray job stop` on a cluster of two nodes, two trials at work")
def test_fault_12_the_job_is_stopped(nodes, recovered):
    settings = (
        f"cluster.address={nodes.address}",
        f"cluster.python={sys.executable}",
        "training.max_steps=150",
        "training.learning_rate=5.0e-4",
        "search.trials=4",
        "search.scheduler.type=none",
    )
    around = {name: nodes.environment[name] for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH")}
    store, sessions = nodes.folder / "store", nodes.folder / "ray"
    sweep = Sweep(store, "job", settings, environment=around, sessions=sessions)
    with sweep.begin() as life:
        life.until(at_work, "two trials at work")
        job_id = life.errors.read_text().split(" as ")[1].split(",")[0]
        told = time.monotonic()
        stop = [RAY, "job", "stop", job_id, "--address", nodes.address]
        subprocess.run(stop, env=nodes.environment, check=True, capture_output=True, timeout=120)
        ended = life.wait()
    assert time.monotonic() - told < GRACE_S
    recovered(time.monotonic() - told)
    assert ended.code == 130
    assert f"{job_id} was stopped." in ended.errors
    assert "To go on with it: " in ended.errors
    state = sweep.state
    assert (state.ended.exit_code, state.running) == (130, [])
    assert len(state.with_status("KILLED")) == 2
    assert left_there(nodes) == {}
    no_run_is_left(sweep, state)
    kept = ends(state)
    hold(sweep, sweep.run(), code=0, within_s=WITHIN_S, kept=kept)
    assert any(r.kind == "trial_resumed" and r.step > 0 for r in sweep.records)
    assert left_there(nodes) == {}


def left_there(nodes):
    """Return what the cluster still has of a job after a while, by kind."""
    deadline = time.monotonic() + GRACE_S
    while True:
        found = {
            "processes": at_work_there(nodes),
            "actors": strangers(each["class_name"] for each in listed(nodes, "actors", "DEAD")),
            "groups": listed(nodes, "placement_groups", "REMOVED"),
        }
        found = {kind: each for kind, each in found.items() if each}
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.5)


def at_work_there(nodes):
    """Return the slots, workers and stand-ins among the nodes' processes."""
    family = [
        name_of(each)
        for node in nodes.nodes
        for each in psutil.Process(node.process.pid).children(recursive=True)
    ]
    return [name for name in family if name.startswith((WORKER, SLOT, STAND_IN))]


def listed(nodes, kind, gone):
    """Return what of a kind the head knows, but for what is gone."""
    answer = requests.get(
        f"{nodes.address}/api/v0/{kind}",
        params={"limit": 10_000},
        headers={"Authorization": f"Bearer {nodes.token.read_text()}"},
        timeout=ANSWER_S,
    )
    found = answer.json()["data"]["result"]["result"]
    return [each for each in found if each["state"] != gone]
