"""`dpo-ray doctor`: each finding is decided from facts, and the real machine is looked at whole."""

import json
import os
import socket

import pytest
from packaging.requirements import Requirement
from typer.testing import CliRunner

from dpo_ray.cli import app
from dpo_ray.commands import findings
from dpo_ray.commands.examining import asks_for_a_token, ray_cluster, store_disk, tracking
from dpo_ray.commands.findings import Finding, exit_code
from tests.cluster.stub import JobsStub
from tests.conftest import ROOT

OK, BAD = Finding("ok", "a", "b"), Finding("fail", "a", "b")
SILENT = Finding("fail", "a", "b", unreachable=True)
TRL = Requirement("trl>=1.16,<1.17")


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([OK, Finding("warn", "a", "b")], 0),
        ([OK, BAD], 1),
        ([OK, SILENT], 7),
        ([SILENT, BAD], 1),
        ([], 0),
    ],
)
def test_warnings_pass_and_only_silent_servers_are_seven(found, code):
    assert exit_code(found) == code


@pytest.mark.parametrize(
    ("installed", "state"),
    [("1.16.0", "ok"), ("1.16.3+local", "ok"), ("1.17.0", "fail"), ("0.9", "fail"), (None, "fail")],
)
def test_a_library_out_of_its_range_is_named_with_the_command_that_mends_it(installed, state):
    found = findings.library(TRL, installed)
    assert found.state == state
    assert ("pip install 'trl" in found.advice) == (state == "fail")


@pytest.mark.parametrize(
    ("by_driver", "by_torch", "cuda", "state", "words"),
    [
        (0, 0, None, "ok", "none: trials run on CPUs"),
        (2, 2, "12.9", "ok", "2: H200"),
        (2, 0, None, "fail", "torch is a CPU build"),
        (2, 0, "12.9", "fail", "cannot use"),
    ],
)
def test_gpus_that_torch_cannot_use_are_a_failure(by_driver, by_torch, cuda, state, words):
    found = findings.gpus(by_driver, by_torch, "H200", cuda)
    assert (found.state, words in found.found) == (state, True)


@pytest.mark.parametrize(("free", "state"), [(50e9, "ok"), (5e9, "warn"), (0.5e9, "fail")])
def test_a_full_disk_is_said_before_it_is_full(free, state):
    found = findings.disk("/store", free, writable=True)
    assert found.state == state
    assert ("dpo-ray cache" in found.advice) == (state != "ok")


def test_a_token_that_others_may_read_is_a_warning():
    assert findings.token(True, 0o600, needed=True).state == "ok"
    assert findings.token(True, 0o644, needed=False).state == "warn"
    assert findings.token(False, None, needed=True).state == "warn"
    assert findings.token(False, None, needed=False).state == "ok"


def test_a_hub_that_is_silent_matters_only_to_who_needs_it():
    assert findings.hub("hub", False, "ConnectTimeout", needed=False).state == "ok"
    found = findings.hub("hub", False, "ConnectTimeout", needed=True)
    assert (found.state, found.unreachable) == ("fail", True)
    assert findings.hub("hub", True, "", needed=True).state == "warn"


def test_a_cluster_that_does_not_answer_says_what_to_do(monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        found = next(iter(ray_cluster(None)))
    assert (found.state, found.unreachable) == ("fail", True)
    assert f"{address} (RAY_ADDRESS)" in found.found
    assert "leave RAY_ADDRESS out" in found.advice


def test_a_store_is_judged_where_it_would_be_made(tmp_path):
    found = store_disk(tmp_path / "not" / "yet")
    assert str(tmp_path / "not" / "yet") in found.found
    assert tracking(None, tmp_path).found.endswith("mlflow.db, made by the first sweep")
    assert list(tmp_path.iterdir()) == []


def doctor(*options, **environment):
    keep = {"HF_HUB_OFFLINE": "1", "RAY_ADDRESS": None, **environment}
    return CliRunner().invoke(app, ["doctor", *options], env=keep)


def test_this_machine_is_looked_at_from_python_to_tracking(tmp_path):
    done = doctor("--store", str(tmp_path / "store"), "--json")
    facts = json.loads(done.stdout)
    assert done.exit_code == facts["exit_code"]
    found = {each["what"]: each for each in facts["findings"]}
    libraries = {"ray", "torch", "transformers", "trl", "peft", "datasets", "optuna", "mlflow"}
    others = {"python", "dpo-ray", "CPUs", "memory", "GPUs", "Ray", "Ray token", "store", "hub"}
    assert set(found) == libraries | others | {"tracking"}
    assert {found[name]["state"] for name in libraries} == {"ok"}
    assert f"{len(os.sched_getaffinity(0))} for this process" in found["CPUs"]["found"]
    assert not (tmp_path / "store").exists()


def test_a_sweeps_own_server_is_asked_and_the_way_out_is_on_the_screen(tmp_path):
    options = ("--sweep", str(ROOT / "sweeps/local.yaml"), "--store", str(tmp_path))
    done = doctor(*options, "--set", "tracking.uri=http://127.0.0.1:9")
    assert done.exit_code == 7
    assert "fail" in done.stdout
    assert "http://127.0.0.1:9 does not answer" in " ".join(done.stdout.split())
    assert "1 failed" in done.stdout


def test_a_wrong_sweep_file_is_refused_like_a_sweeps(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text("data: {sorce: x}\n")
    done = doctor("--sweep", str(path))
    assert done.exit_code == 2
    assert "did you mean source?" in done.stderr


def test_a_jobs_api_that_asks_nobody_for_a_token_fails_where_others_reach_it():
    assert findings.jobs_api("http://head:8265", is_open=False, alone=False).state == "ok"
    assert findings.jobs_api("http://head:8265", is_open=True, alone=False).state == "fail"
    assert findings.jobs_api("http://127.0.0.1:8265", is_open=True, alone=True).state == "warn"


@pytest.mark.parametrize(("token", "found"), [(None, "without a token"), ("known", "asks for its")])
def test_a_jobs_api_is_asked_without_a_token(token, found):
    with JobsStub(token=token) as stub:
        (finding,) = asks_for_a_token(stub.address)
    assert found in finding.found
