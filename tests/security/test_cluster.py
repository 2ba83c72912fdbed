"""S1, S2 and S11: what a cluster elsewhere is asked for, and what it is told."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests

from dpo_ray.cluster.token import make_token, refuse_open
from dpo_ray.commands.serving import end_family, free_port
from dpo_ray.errors import ClusterUnreachable
from dpo_ray.output import AGAIN, RESULT_MARK
from tests.cluster.nodes import free_port as gcs_port
from tests.cluster.stub import JobsStub
from tests.sweeping import FIRST, ROOT

SECRET = "canary-7d1c4b"


def own_address() -> str:
    """The address under which others reach this machine; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but its loopback")
        return str(probe.getsockname()[0])


@pytest.fixture
def open_head(tmp_path: Path) -> Iterator[str]:
    """A real `ray start --head` that shows itself to everybody and asks for no token."""
    import ray

    ray.shutdown()
    port, scratch = free_port(None), tempfile.mkdtemp(prefix="h-")
    head = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block"]
    head += ["--port", str(gcs_port()), "--num-cpus", "1", "--temp-dir", scratch]
    head += ["--dashboard-host", "0.0.0.0", "--dashboard-port", str(port)]
    with (tmp_path / "head.log").open("wb") as log:
        process = subprocess.Popen(
            head,
            stdout=log,
            stderr=log,
            env={**os.environ, "HOME": str(tmp_path), "RAY_AUTH_MODE": "disabled"},
        )
    try:
        url = f"http://{own_address()}:{port}"
        for _ in range(120):
            try:
                requests.get(f"{url}/api/version", timeout=2)
                break
            except requests.RequestException:
                assert process.poll() is None, (tmp_path / "head.log").read_text()
                time.sleep(0.5)
        yield url
    finally:
        end_family(process.pid)
        process.wait()


@pytest.mark.slow
@pytest.mark.cluster_last
def test_s1_a_real_open_cluster_is_refused_before_anything_is_sent(open_head, tmp_path):
    with pytest.raises(ClusterUnreachable, match="answers without a token"):
        refuse_open(open_head, allowed=False)
    refuse_open(open_head, allowed=True)
    command = [
        *FIRST,
        "search_spaces/beta.yaml",
        "--set",
        f"cluster.address={open_head}",
        "--store",
        str(tmp_path / "store"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 7
    assert "open to everybody who reaches it" in done.stderr
    assert "--allow-insecure-cluster" in done.stderr
    assert requests.get(f"{open_head}/api/jobs/", timeout=10).json() == []
    assert not (tmp_path / "store").exists()
    two = ("search.concurrent=2", "resources.cpus_per_worker=1", "resources.gpus_per_worker=0")
    settings = [part for each in two for part in ("--set", each)]
    accepted = subprocess.run(
        [*command, *settings, "--dry-run", "--allow-insecure-cluster"],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    # It was let in: what it asks for is held against the head, which has one CPU.
    assert (accepted.returncode, "open to everybody" in accepted.stderr) == (2, False)
    assert f"the Ray cluster at {open_head} has 1;" in accepted.stderr


def test_s1_a_cluster_that_asks_for_its_token_is_not_called_open():
    with JobsStub(host="0.0.0.0", token=SECRET) as stub:
        refuse_open(f"http://{own_address()}:{stub.port}", allowed=False)


def test_s2_a_token_we_make_or_find_is_its_owners_alone(tmp_path, monkeypatch):
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    token = tmp_path / ".ray/auth_token"
    before = os.umask(0)
    try:
        make_token()
    finally:
        os.umask(before)
    made = token.read_text()
    assert (token.stat().st_mode & 0o777, len(made)) == (0o600, 64)
    token.chmod(0o644)
    make_token()
    assert (token.stat().st_mode & 0o777, token.read_text()) == (0o600, made)


def submitted(
    place: Path, *overrides: str, options: Sequence[str] = (), stub: JobsStub | None = None
) -> tuple[list[dict[str, Any]], str]:
    """Submit a sweep to a stub from a small folder, and leave it; return the jobs, and the words.

    Every variable that holds a secret is set where it is submitted.
    """
    (place / "space.yaml").write_text((ROOT / "search_spaces/beta.yaml").read_text())
    (place / "sweep.yaml").write_text((ROOT / "sweeps/local.yaml").read_text())
    hidden = dict.fromkeys(("HF_TOKEN", "MLFLOW_TRACKING_PASSWORD", "RAY_AUTH_TOKEN"), SECRET)
    with stub or JobsStub(token=SECRET) as stub:
        settings = [f"cluster.address={stub.address}", *overrides]
        words = [part for each in settings for part in ("--set", each)]
        process = subprocess.Popen(
            [*FIRST, "space.yaml", "--sweep", "sweep.yaml", "--store", "store", *words, *options],
            cwd=place,
            env={**os.environ, **hidden, "PYTHONPATH": str(ROOT), "HOME": str(place)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            while not stub.submitted and process.poll() is None:
                time.sleep(0.1)
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            told, problems = process.communicate(timeout=60)
        finally:
            process.kill()
        return stub.submitted, told + problems


@pytest.mark.parametrize("options", [(), ("--allow-insecure-cluster",)])
def test_s1_an_open_cluster_takes_jobs_from_whoever_types_that_it_may_be_open(tmp_path, options):
    stub = JobsStub(host="0.0.0.0")
    stub.address = f"http://{own_address()}:{stub.port}"
    jobs, said = submitted(tmp_path, options=options, stub=stub)
    assert ("open to everybody who reaches it" in said) == (not options)
    assert ["--allow-insecure-cluster" in job["entrypoint"] for job in jobs] == [True] * len(
        options
    )


def test_s11_a_job_is_told_no_secret(tmp_path):
    (job,), said = submitted(tmp_path)
    assert SECRET not in json.dumps(job)
    assert SECRET not in said
    known = {"RAY_JOB_STOP_SIGNAL", "RAY_JOB_STOP_WAIT_TIME_S", RESULT_MARK, AGAIN, "COLUMNS"}
    assert set(job["runtime_env"]["env_vars"]) == known


def test_s11_a_secret_in_an_override_is_refused_before_it_is_sent(tmp_path):
    jobs, said = submitted(tmp_path, f"tracking.uri=postgresql://me:{SECRET}@db/mlflow")
    assert jobs == []
    assert "no secret may stand there" in said
    assert SECRET not in said
