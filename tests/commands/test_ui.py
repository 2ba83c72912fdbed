"""`dpo-ray ui`: the real server on a real store, a page that answers, and nobody left behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import mlflow
import psutil
import pytest
import requests
from typer.testing import CliRunner

from dpo_ray.cli import app
from dpo_ray.commands.serving import free_port
from dpo_ray.commands.ui import link
from dpo_ray.errors import ConfigError
from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.mlflow_server import default_uri
from dpo_ray.tracking.mlflow_texts import journal_id
from dpo_ray.tracking.mlflow_view import view_key
from dpo_ray.tracking.records import SweepPlanned, SweepResumed
from tests.commands.test_page import listed

UI = [sys.executable, "-c", "from dpo_ray.cli import app; app(prog_name='dpo-ray')", "ui"]
GONE_S = 15


def planned(store, name, tracking):
    """Write a sweep that was begun, and gone on with by another process."""
    journal = Journal.create(store / "sweeps" / name / "journal.jsonl")
    plan = {"sweep": {"tracking": tracking}}
    journal.append(SweepPlanned(name=name, plan=plan, host="h", pid=1, versions={}))
    journal.append(SweepResumed(plan=plan, host="h", pid=2, versions={}))
    journal.close()


@pytest.fixture
def store(tmp_path):
    planned(tmp_path, "beta-1", {"uri": None, "experiment": "nightly"})
    return tmp_path


@pytest.fixture
def view(store):
    """The saved view of the store's sweep."""
    (first, _) = read_journal(store / "sweeps" / "beta-1" / "journal.jsonl")
    return view_key("beta-1", journal_id(first))


@pytest.fixture
def taken():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_a_port_that_is_taken_is_refused_where_it_was_asked_for(taken):
    with pytest.raises(ConfigError, match=f"--port {taken}: somebody listens there"):
        free_port(taken)
    assert free_port(None) > 0


def test_a_server_of_its_own_gets_its_link_printed_and_nothing_started(tmp_path):
    planned(tmp_path, "night", {"uri": "http://127.0.0.1:9/mlflow", "experiment": "x"})
    done = CliRunner().invoke(app, ["ui", "--store", str(tmp_path)])
    assert (done.exit_code, done.stdout) == (0, "http://127.0.0.1:9/mlflow\n")


@pytest.mark.parametrize(
    ("name", "words"), [("beta-2", "did you mean beta-1?"), (None, "there is no MLflow database")]
)
def test_what_cannot_be_opened_is_said(store, name, words):
    arguments = ["ui", *([name] if name else []), "--store", str(store)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert words in done.stderr


@pytest.mark.slow
def test_it_opens_on_the_sweeps_own_view_and_ctrl_c_leaves_no_process(store, view):
    client = mlflow.MlflowClient(default_uri(store))
    experiment = client.create_experiment("nightly", artifact_location=str(store / "artifacts"))
    # Another sweep's name may begin with this one's, and another store may have one of its name.
    for key in ("beta-1-5-c0ffee", view, "beta-1-c0ffee"):
        client.set_experiment_tag(experiment, f"mlflow.sharedViewState.{key}", "{}")
    client.create_run(experiment, run_name="seen")
    command = [*UI, "--store", str(store), "--port", str(free_port(None)), "--json"]
    ui = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        facts, _ = json.JSONDecoder().raw_decode(read_object(ui))
        assert facts.keys() == listed("dpo-ray ui --json")
        base = f"http://127.0.0.1:{facts['port']}"
        shown = f"compareRunsMode=CHART&viewStateShareKey={view}"
        page = f"{base}/#/experiments/{experiment}/runs?workflowType=machine_learning&{shown}"
        assert facts["url"] == page
        assert link(base, "nightly", "beta-1").endswith("workflowType=machine_learning")
        assert link(base, "no such experiment", None) == base
        assert "MLflow" in requests.get(base, timeout=10).text
        family = psutil.Process(ui.pid).children(recursive=True)
        assert len(family) >= 2
    finally:
        ui.send_signal(signal.SIGINT)
        _, errors = ui.communicate(timeout=60)
    assert ui.returncode == 0, errors
    assert "Traceback" not in errors
    assert psutil.wait_procs(family, timeout=GONE_S)[1] == []
    with pytest.raises(requests.ConnectionError):
        requests.get(base, timeout=5)


def read_object(process) -> str:
    """What it prints up to the end of its JSON object."""
    text, deadline = "", time.monotonic() + 120
    while not text.endswith("}\n"):
        assert time.monotonic() < deadline
        line = process.stdout.readline()
        assert line, process.stderr.read()
        text += line
    return text


@pytest.mark.slow
def test_a_database_that_is_none_ends_it_with_mlflows_own_words(store):
    (store / "mlflow.db").write_text("no database at all, but long enough to be taken for one" * 9)
    done = subprocess.run(
        [*UI, "--store", str(store)], capture_output=True, text=True, timeout=120, env=os.environ
    )
    assert done.returncode == 7
    assert "MLflow's server ended at once" in done.stderr
    assert "not a database" in done.stderr
