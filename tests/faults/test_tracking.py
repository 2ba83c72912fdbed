"""What befalls the MLflow server, or its database: the sweep goes on, and no step is missing."""

import json
import sqlite3
import time
from itertools import pairwise

import pytest

from tests.faults.invariants import hold
from tests.faults.life import Sweep
from tests.faults.mirrored import mlflow_is_the_journal
from tests.sweeping import ROOT
from tests.tracking.server import free_port, kill, mlflow_server

pytestmark = [pytest.mark.slow, pytest.mark.cluster_last, pytest.mark.long]
WITHIN_S = 240.0
AWAY_S = 20.0
BACK_S, STILL_S = 45.0, 15.0
"""So long the last lines may take once they can be written, and the journal may be still: MLflow's
own client would stay with one refused call for 245 s."""
PASSWORD = "canary-of-a-url-5f0c1e"
SETTINGS = (
    "training.max_steps=60",
    "training.learning_rate=5.0e-4",
    "search.trials=6",
    "search.scheduler.type=none",
)


def two_done(state):
    return len(state.with_status("COMPLETED")) >= 2


def stay_away(life):
    """Let the trouble last for 20 s and until another trial has begun; return when it began."""
    began, since = len(life.sweep.state.trials), time.time()
    life.until(lambda state: len(state.trials) > began, "another trial: the search waits")
    life.rest(AWAY_S - (time.time() - since))
    return since


def longest_silence(sweep, since):
    """Return the longest time from a moment on in which nothing of the search was journalled."""
    times = [since, *(r.time for r in sweep.records if r.time > since)]
    return max(after - before for before, after in pairwise(times))


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
        since = stay_away(life)
        with mlflow_server(place, port):
            back = time.time()
            ended = life.wait()
            over = time.time()
    hold(sweep, ended, code=0, within_s=WITHIN_S)
    return sweep, ended, longest_silence(sweep, since), over - max(back, sweep.records[-1].time)


@pytest.mark.injects("kill -9 of the MLflow server and its processes for 20 s")
def test_fault_03_the_tracking_server_is_away(without_server, recovered):
    sweep, ended, silence_s, caught_up_s = without_server
    assert silence_s < STILL_S, "the search waited for the server"
    assert caught_up_s < BACK_S
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
        since = stay_away(life)
        holder.execute("ROLLBACK")
        holder.close()
        freed = time.time()
        ended = life.wait()
        over = time.time()
    state = hold(sweep, ended, code=0, within_s=WITHIN_S)
    caught_up_s = over - max(freed, sweep.records[-1].time)
    return sweep, state, longest_silence(sweep, since), caught_up_s


@pytest.mark.injects("BEGIN EXCLUSIVE on MLflow's SQLite file for 20 s")
def test_fault_07_the_database_is_locked(odd_names, recovered):
    sweep, _, silence_s, caught_up_s = odd_names
    assert silence_s < STILL_S, "the search waited for the database"
    assert caught_up_s < BACK_S
    assert mlflow_is_the_journal(sweep) > 5 * 60
    recovered(caught_up_s)


@pytest.mark.injects("BEGIN EXCLUSIVE on MLflow's SQLite file for 20 s from before the start on")
def test_fault_07_the_database_is_locked_at_the_start(odd_names, place, recovered):
    # The other sweeps' experiments are a server's; this one is made when the lock is gone.
    settings = (*SETTINGS, "search.trials=2", "tracking.experiment=locked-out")
    sweep = Sweep(place, "locked-out", settings)
    holder = sqlite3.connect(place / "mlflow.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with sweep.begin() as life:
        life.rest(AWAY_S)
        holder.execute("ROLLBACK")
        holder.close()
        freed = time.time()
        ended = life.wait()
        over = time.time()
    state = hold(sweep, ended, code=0, within_s=WITHIN_S)
    assert len(state.with_status("COMPLETED")) == 2
    assert over - max(freed, sweep.records[-1].time) < BACK_S
    assert mlflow_is_the_journal(sweep) > 2 * 60
    recovered(over - max(freed, sweep.records[-1].time))


@pytest.mark.injects("an experiment of odd letters, a path of 400, scores that are infinite")
def test_fault_23_what_mlflow_cannot_take(odd_names):
    _, state, *_ = odd_names
    infinite = state.trials[3]
    assert infinite.status == "FAILED"
    assert "must give finite numbers, got inf" in infinite.reason
    assert {row.status for row in state.trials.values() if row.number != 3} == {"COMPLETED"}
