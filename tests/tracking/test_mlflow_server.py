"""Servers that answer, refuse, stay silent, or come late."""

import http.server
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest
from mlflow import MlflowClient

from dpo_ray.errors import ConfigError, TrackingUnreachable
from dpo_ray.tracking.mlflow_mirror import MlflowMirror
from dpo_ray.tracking.mlflow_server import (
    database_file,
    default_uri,
    reachable,
    refuse_served_files,
)
from dpo_ray.tracking.records import SweepEnded, TrainMetrics
from tests.tracking.server import end, free_port, mlflow_server


@contextmanager
def answering(status: int):
    """A server that answers every request with `status`, and remembers who asked."""
    seen: list[str | None] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Authorization"))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server.server_port, seen
        server.shutdown()
        thread.join()


@pytest.mark.slow
def test_a_database_is_refused_where_a_server_keeps_the_files_of_its_experiment(tmp_path):
    uri = default_uri(tmp_path)
    refuse_served_files(uri, "served")  # there is no database yet
    with mlflow_server(tmp_path, port := free_port()):
        MlflowClient(f"http://127.0.0.1:{port}").create_experiment("served")
    MlflowClient(uri).create_experiment("own")
    refuse_served_files(uri, "own")
    refuse_served_files(uri, "new")
    refuse_served_files(f"http://127.0.0.1:{port}", "served")
    with pytest.raises(ConfigError, match="served was made by an MLflow server"):
        refuse_served_files(uri, "served")
    holder = sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    refuse_served_files(uri, "served")  # a locked one cannot be asked, and nobody waits
    holder.close()


def test_a_mirror_leaves_an_experiment_alone_whose_files_a_server_keeps(example_journal, tmp_path):
    """As where the file was locked when the sweep began: no run may stay RUNNING."""
    uri = default_uri(tmp_path)
    client = MlflowClient(uri)
    served = client.create_experiment("served", artifact_location="mlflow-artifacts:/1")
    mirror = MlflowMirror(example_journal, uri, "served")
    mirror.start()
    began = time.monotonic()
    assert not mirror.close(60)
    assert time.monotonic() - began < 30
    (problem,) = mirror.problems
    assert problem.startswith(
        "ConfigError: tracking.experiment: served was made by an MLflow server"
    )
    assert client.search_runs([served]) == []


def test_a_closed_port_is_unreachable_at_once():
    began = time.monotonic()
    with pytest.raises(TrackingUnreachable, match="Connection refused"):
        reachable(f"http://127.0.0.1:{free_port()}")
    assert time.monotonic() - began < 5


def test_a_server_that_never_answers_is_unreachable_in_time():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(TrackingUnreachable, match=r"timed out|no answer within 1 s"):
            reachable(f"http://127.0.0.1:{silent.getsockname()[1]}", seconds=1)
        assert time.monotonic() - began < 5


def test_a_server_that_answers_with_an_error_is_unreachable():
    with (
        answering(503) as (port, _),
        pytest.raises(TrackingUnreachable, match="HTTP 503 Service Unavailable"),
    ):
        reachable(f"http://127.0.0.1:{port}")


def test_the_password_goes_to_the_server_and_not_into_the_error():
    with answering(200) as (port, seen):
        reachable(f"http://bob:s3cret@127.0.0.1:{port}/")
    assert seen == ["Basic Ym9iOnMzY3JldA=="]
    with pytest.raises(TrackingUnreachable) as caught:
        reachable(f"http://bob:s3cret@127.0.0.1:{port}/")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("uri", ["./mlruns", "file:///tmp/mlruns", "ftp://host"])
def test_a_place_mlflow_cannot_write_to_is_a_configuration_error(uri):
    with pytest.raises(ConfigError, match="allowed: sqlite:"):
        reachable(uri)


def test_the_default_is_a_database_in_the_store(tmp_path):
    uri = default_uri(tmp_path / "a store")
    reachable(uri)
    assert database_file(uri) == tmp_path / "a store" / "mlflow.db"
    assert (tmp_path / "a store").is_dir()
    assert database_file("http://127.0.0.1:5000") is None


def test_a_store_that_cannot_be_made_is_unreachable(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(TrackingUnreachable, match="cannot make its folder"):
        reachable(default_uri(tmp_path / "file" / "store"))


@pytest.mark.slow
def test_a_server_that_comes_late_gets_everything_once(example_journal, tmp_path):
    port = free_port()
    uri = f"http://127.0.0.1:{port}"
    early = MlflowMirror(example_journal, uri, "nightly")
    early.start()
    began = time.monotonic()
    hopeless = MlflowMirror(example_journal, uri, "nightly")
    hopeless.start()
    assert not hopeless.close(3)
    assert time.monotonic() - began < 10
    (tmp_path / "server").mkdir()
    with mlflow_server(tmp_path / "server", port):
        assert early.close(120), early.problems
        again = MlflowMirror(example_journal, uri, "nightly")
        again.start()
        assert again.close(120), again.problems
        check_runs(MlflowClient(tracking_uri=uri))


def check_runs(client: MlflowClient) -> None:
    experiment = client.get_experiment_by_name("nightly").experiment_id
    found = client.search_runs([experiment])
    children = [run for run in found if "dpo_ray.trial" in run.data.tags]
    assert (len(found), len(children)) == (14, 12)
    assert {run.info.status for run in found} == {"FINISHED", "FAILED"}
    control = next(run for run in children if run.data.tags["dpo_ray.trial"] == "0").info.run_id
    points = client.get_metric_history(control, "train/loss")
    assert [point.step for point in points] == list(range(5, 61, 5))
    assert [file.path for file in client.list_artifacts(control)] == ["adapter"]


@pytest.mark.long
def test_an_outage_of_a_minute_loses_no_step(journal, planned, started, tmp_path):
    port, steps = free_port(), 1200
    uri = f"http://127.0.0.1:{port}"
    following = MlflowMirror(journal.path, uri, "nightly")
    following.start()
    for record in (planned, started):
        journal.append(record)
    folder = tmp_path / "server"
    folder.mkdir()
    paced = threading.Thread(target=train, args=(journal, steps))
    with mlflow_server(folder, port) as server:
        paced.start()
        wait_until(lambda: following.progress[0] > 100)
        end(server)
    written, _ = following.progress
    time.sleep(60)
    assert written < following.progress[1]  # it was in the middle
    with mlflow_server(folder, port):
        paced.join()
        journal.append(SweepEnded(exit_code=0, reason="all trials of the plan are done"))
        assert following.close(120), following.problems
        client = MlflowClient(tracking_uri=uri)
        experiment = client.get_experiment_by_name("nightly").experiment_id
        found = client.search_runs([experiment], "tags.`dpo_ray.trial` = '0'")
        (run,) = (each.info.run_id for each in found)
        points = client.get_metric_history(run, "train/loss")
        assert [(point.step, point.value) for point in points] == [
            (step, 1 / step) for step in range(1, steps + 1)
        ]


def train(journal, steps):
    """A step each tenth of a second: for two minutes."""
    for step in range(1, steps + 1):
        journal.append(TrainMetrics(trial=0, step=step, metrics={"train/loss": 1 / step}))
        time.sleep(0.1)


def wait_until(condition, within_s=120):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.2)


def test_the_driver_imports_all_of_tracking_without_mlflow():
    check = (
        "import sys\n"
        "from dpo_ray.tracking import console, journal, mlflow_mirror, mlflow_runs, mlflow_texts\n"
        "sys.exit('mlflow' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
