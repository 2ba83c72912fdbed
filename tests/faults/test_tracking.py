"""What befalls the MLflow server, or its database: the sweep goes on, and no step is missing."""

import json
import sqlite3
import time

import pytest

from tests.faults.invariants import hold, mlflow_is_the_journal
from tests.faults.life import Sweep
from tests.sweeping import ROOT
from tests.tracking.server import free_port, kill, mlflow_server

pytestmark = [pytest.mark.slow, pytest.mark.cluster_last, pytest.mark.long]
WITHIN_S = 300.0
AWAY_S = 20.0
PASSWORD = "canary-of-a-url-5f0c1e"
SETTINGS = (
    "training.max_steps=60",
    "training.learning_rate=5.0e-4",
    "search.trials=6",
    "search.scheduler.type=none",
)


def two_done(state):
    return len(state.with_status("COMPLETED")) >= 2


@pytest.fixture(scope="module")
def without_server(alone, place):
    """A sweep whose tracking server is killed, stays away, and comes back."""
    place.mkdir(parents=True)
    port = free_port()
    uri = f"http://somebody:{PASSWORD}@127.0.0.1:{port}"
    sweep = Sweep(
        place, "serverless", (*SETTINGS, f"tracking.uri={uri}"), environment={"URL": PASSWORD}
    )
    with mlflow_server(place, port) as server, sweep.begin() as life:
        life.until(two_done, "two done")
        kill(server)
        began = len(sweep.state.trials)
        life.rest(AWAY_S)
        meanwhile = len(sweep.state.trials) - began
        with mlflow_server(place, port):
            back = time.monotonic()
            ended = life.wait(WITHIN_S)
            caught_up_s = time.monotonic() - back
    hold(sweep, ended, code=0, within_s=WITHIN_S)
    return sweep, ended, meanwhile, caught_up_s


@pytest.mark.injects("kill -9 of the MLflow server and its processes for 20 s")
def test_fault_03_the_tracking_server_is_away(without_server, recovered):
    sweep, ended, meanwhile, caught_up_s = without_server
    assert meanwhile >= 1, "the search waited for the server"
    assert "MLflow lacks" not in ended.errors
    assert mlflow_is_the_journal(sweep) > 6 * 60
    recovered(caught_up_s)


@pytest.mark.injects("random secrets in the environment and in the server's address")
def test_fault_11_no_secret_comes_to_light(without_server):
    """That none did stands in `hold`; here, that they were there to be seen."""
    sweep, ended, *_ = without_server
    planned = next(record for record in sweep.records if record.kind == "planned")
    assert "***@127.0.0.1" in planned.plan["sweep"]["tracking"]["uri"]
    assert "***@127.0.0.1" in ended.screen


@pytest.fixture(scope="module")
def odd_names(alone, place):
    """A sweep over names that MLflow has no room or no letters for, its database locked once."""
    source = place.parent / ("päirs %&'\"\u200b" + "x" * 120) / ("y" * 200 + ".jsonl")
    source.parent.mkdir()
    pairs = (ROOT / "dpo_ray/demo/assets/pairs.jsonl").read_text(encoding="utf-8")
    source.write_text("\n".join(pairs.splitlines()[:600]) + "\n", encoding="utf-8")
    sweep = Sweep(
        place,
        "odd-names",
        (
            *SETTINGS,
            f"data.source={json.dumps(str(source))}",
            "tracking.experiment=\"odd 'names' %/: é\"",
            "evaluation.judge={type: reward, function: 'tests.faults.judges:poor'}",
        ),
    )
    with sweep.begin() as life:
        life.until(two_done, "two done")
        holder = sqlite3.connect(place / "mlflow.db", isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        began = len(sweep.state.trials)
        life.rest(AWAY_S)
        meanwhile = len(sweep.state.trials) - began
        holder.execute("ROLLBACK")
        holder.close()
        freed = time.monotonic()
        ended = life.wait(WITHIN_S)
    state = hold(sweep, ended, code=0, within_s=WITHIN_S)
    return sweep, state, meanwhile, time.monotonic() - freed


@pytest.mark.injects("BEGIN EXCLUSIVE on MLflow's SQLite file for 20 s")
def test_fault_07_the_database_is_locked(odd_names, recovered):
    sweep, _, meanwhile, caught_up_s = odd_names
    assert meanwhile >= 1, "the search waited for the database"
    assert mlflow_is_the_journal(sweep) > 5 * 60
    recovered(caught_up_s)


@pytest.mark.injects("an experiment of odd letters, a path of 400, scores that are infinite")
def test_fault_23_what_mlflow_cannot_take(odd_names):
    _, state, *_ = odd_names
    infinite = state.trials[3]
    assert infinite.status == "FAILED"
    assert "must give finite numbers, got inf" in infinite.reason
    assert {row.status for row in state.trials.values() if row.number != 3} == {"COMPLETED"}
