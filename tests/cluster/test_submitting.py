"""A sweep as a job: its command, and how long and by what its submitter follows it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dpo_ray.cluster.ended import exit_code
from dpo_ray.cluster.entrypoint import Typed, entrypoint
from dpo_ray.cluster.following import LogLines
from dpo_ray.cluster.jobs import Job
from dpo_ray.cluster.packing import refuse_too_much
from dpo_ray.errors import ConfigError
from dpo_ray.plan import make_plan
from tests.cluster.stub import JobsStub

ROOT = Path(__file__).parents[2]
SPACE, SWEEP = Path("search_spaces/beta.yaml"), Path("sweeps/local.yaml")


@pytest.fixture
def typed(monkeypatch, tmp_path):
    """Make what was typed, and its plan."""
    monkeypatch.chdir(ROOT)

    def make(*overrides: str, space: Path = SPACE, **more: object) -> tuple[object, Typed]:
        plan = make_plan(ROOT / SPACE, ROOT / SWEEP, overrides, tmp_path / "store", "night")
        return plan, Typed(space, SWEEP, overrides, **more)

    return make


def test_the_job_is_the_documented_command_on_the_cluster_it_runs_on(typed, tmp_path):
    plan, words = typed("search.trials=3", trials="+2", verbose=True)
    assert entrypoint(plan, words, ROOT, as_json=True) == (
        "python -m dpo_ray.sweep search_spaces/beta.yaml --sweep sweeps/local.yaml "
        f"--store {tmp_path}/store --name night --set search.trials=3 "
        "--set cluster.address=null --trials +2 --json --verbose"
    )


def test_another_python_is_said_by_the_sweep(typed):
    plan, words = typed("cluster.python=/opt/venv/bin/python")
    assert entrypoint(plan, words, ROOT).startswith("/opt/venv/bin/python -m dpo_ray.sweep ")


def test_a_whole_path_below_the_folder_is_found_in_its_copy(typed):
    plan, words = typed(space=ROOT / SPACE)
    assert " search_spaces/beta.yaml " in entrypoint(plan, words, ROOT)


def test_a_path_out_of_the_folder_is_refused(typed):
    plan, words = typed(space=Path("../elsewhere/beta.yaml"))
    with pytest.raises(ConfigError, match=r"elsewhere/beta.yaml: lies outside .* which is what"):
        entrypoint(plan, words, ROOT)


def test_no_password_stands_in_the_address(typed):
    with pytest.raises(ConfigError, match=r"must hold no user or password") as refused:
        typed("cluster.address=http://me:hunter2@head:8265")
    assert "hunter2" not in str(refused.value)


def test_no_secret_goes_into_a_jobs_command(typed):
    plan, words = typed("tracking.uri=postgresql://me:hunter2@db/mlflow")
    with pytest.raises(ConfigError, match=r"no secret may stand there") as refused:
        entrypoint(plan, words, ROOT)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("status", "driver", "code"),
    [
        ("SUCCEEDED", 0, 0),
        ("FAILED", 3, 3),
        ("FAILED", 130, 130),
        ("FAILED", -9, 137),
        ("FAILED", None, 7),
        ("STOPPED", None, 130),
    ],
)
def test_the_exit_code_is_the_drivers(status, driver, code):
    assert exit_code(Job("j", status, exit_code=driver)) == code


def test_results_and_messages_of_one_log_are_told_apart():
    results: list[str] = []
    messages: list[str] = []
    lines = LogLines("result| ", results.append, messages.append)
    lines.feed("INFO Runtime env is setting up.\nRunning entrypoint for job x: python\nwarm")
    lines.feed("ing\nresult| {\nresult|   1 }\nresult| last")
    lines.close()
    assert (results, messages) == (["{", "  1 }", "last"], ["warming"])


def test_of_a_job_that_never_began_all_is_shown():
    messages: list[str] = []
    lines = LogLines("result| ", messages.append, messages.append)
    lines.feed("INFO Runtime env is setting up.\nno such package")
    lines.close()
    assert messages == ["INFO Runtime env is setting up.", "no such package"]


def test_a_folder_that_is_too_large_is_refused_by_its_largest_parts(tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights/model.bin").write_bytes(bytes(3 * 2**20))
    (tmp_path / "pairs.jsonl").write_bytes(bytes(2**20))
    with pytest.raises(ConfigError) as refused:
        refuse_too_much(tmp_path, most_mb=3)
    assert "4.0 MB would go to the cluster" in str(refused.value)
    assert "the largest: weights 3.0 MB, pairs.jsonl 1.0 MB. " in str(refused.value)
    assert str(tmp_path / ".rayignore") in str(refused.value)
    (tmp_path / ".rayignore").write_text("/weights\n")
    assert refuse_too_much(tmp_path, most_mb=3) < 1.1 * 2**20


def test_of_this_repository_only_what_a_sweep_needs_goes_along():
    assert refuse_too_much(ROOT, most_mb=6) > 0


def command(stub: JobsStub, store: Path, *overrides: str) -> list[str]:
    settings = [f"cluster.address={stub.address}", *overrides]
    return [
        *(sys.executable, "-m", "dpo_ray.sweep", str(SPACE), "--store", str(store)),
        *(part for each in settings for part in ("--set", each)),
    ]


def run(stub: JobsStub, store: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(stub, store, *overrides), cwd=ROOT, capture_output=True, text=True, timeout=60
    )


HURRIED = ("budget.hours=0.0005", "budget.grace_minutes=0", "cluster.margin_minutes=0.02")


def test_an_api_that_says_running_for_ever_is_followed_until_the_budget_is_long_over(tmp_path):
    with JobsStub() as stub:
        done = run(stub, tmp_path, *HURRIED)
    assert done.returncode == 7, done.stderr
    (job,) = stub.submitted
    assert f"{job['submission_id']} is said to be RUNNING" in done.stderr
    assert "job stop" in done.stderr
    assert job["runtime_env"]["env_vars"]["RAY_JOB_STOP_SIGNAL"] == "SIGINT"
    assert job["runtime_env"]["env_vars"]["RAY_JOB_STOP_WAIT_TIME_S"] == "60"


def test_what_is_asked_for_in_vain_is_refused_before_it_is_sent(tmp_path):
    with JobsStub(cpus=1) as stub:
        done = run(stub, tmp_path)
    assert done.returncode == 2
    assert f"ask for 1.82 CPUs, the Ray cluster at {stub.address} has 1;" in done.stderr
    assert stub.submitted == []


def test_a_head_that_has_no_nodes_yet_is_asked_again(tmp_path):
    """It answers before its own node is listed: for a moment it has nothing at all."""
    with JobsStub(cpus=1) as stub:
        stub.early = 3
        done = run(stub, tmp_path)
    assert done.returncode == 2
    assert f"the Ray cluster at {stub.address} has 1;" in done.stderr


def test_a_missing_token_is_explained(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with JobsStub(token="secret") as stub:
        done = run(stub, tmp_path)
    assert done.returncode == 7
    assert "asks for its token" in done.stderr
    assert "~/.ray/auth_token on the head" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_no_jobs_api_is_said_to_be_none(tmp_path):
    with JobsStub() as stub:
        stub.told = lambda path, shown: (200, {"name": "another server"})
        done = run(stub, tmp_path)
    assert done.returncode == 7
    assert f"no Jobs API does as asked at {stub.address}: KeyError" in done.stderr
    assert "Traceback" not in done.stderr


def test_submit_without_an_address_is_refused(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "dpo_ray.sweep", str(SPACE), "--submit"],
        cwd=ROOT,
        env={key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "--submit needs the head's Jobs address, as in http://head:8265, got nothing" in (
        done.stderr
    )


def test_a_job_is_left_running_followed_again_and_given_up_when_the_api_is_silent(tmp_path):
    with JobsStub() as stub:
        own = command(stub, tmp_path, "cluster.silent_minutes=0.03")
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        first = subprocess.Popen([*own, "--json"], cwd=ROOT, **pipes)
        line = first.stderr.readline()
        assert line.startswith(f"Submitted to {stub.address} as beta-")
        first.send_signal(signal.SIGINT)
        out, err = first.communicate(timeout=30)
        job_id = stub.submitted[0]["submission_id"]
        assert first.returncode == 130
        assert json.loads(out)["job"] == job_id
        assert f"ray job stop {job_id} --address {stub.address}" in err
        assert "Error" in err
        assert "is left running" in err

        again = subprocess.Popen([*own, "--json"], cwd=ROOT, **pipes)
        assert again.stderr.readline() == f"{job_id} runs already: following it.\n"
        other = run(stub, tmp_path, "cluster.silent_minutes=0.03", "search.trials=3")
        assert other.returncode == 6
        assert f"{job_id} runs the sweep" in other.stderr
        stub.silent = True
        out, err = again.communicate(timeout=40)
        assert again.returncode == 7
        assert f"no word of {job_id} for 0.03 minutes (cluster.silent_minutes)" in err
    assert len(stub.submitted) == 1


def test_a_head_that_was_started_anew_has_lost_the_job(tmp_path):
    with JobsStub() as stub:
        process = subprocess.Popen(
            command(stub, tmp_path), cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr.readline().startswith("Submitted")
        time.sleep(1)
        stub.forgets = True
        _, err = process.communicate(timeout=40)
    assert process.returncode == 7
    assert "does not know the job" in err
