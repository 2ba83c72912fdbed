"""The mirror's benchmark measures what it says, at a hundredth of its size."""

import sqlite3

import pytest

from benchmarks import mirroring
from benchmarks.late_server import late_server
from dpo_ray.tracking.journal import read_journal
from dpo_ray.tracking.mlflow_mirror import MlflowMirror
from tests.conftest import ROOT
from tests.tracking.server import free_port

LATE_S, WATCHED_S = 0.2, 5.0


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(mirroring, "TRIALS", 2)
    monkeypatch.setattr(mirroring, "STEPS", 20)
    return 2 * 20 * mirroring.METRICS


def test_a_journal_of_the_size_it_names_is_mirrored_whole(tmp_path, small):
    seconds, cpu_s, written = mirroring._to_sqlite(tmp_path)
    assert written == small
    assert 0 < cpu_s <= seconds + 1 < 120
    records = read_journal(tmp_path / "sweeps" / "mirror" / "journal.jsonl")
    logged = [each for each in records if each.kind == "train"]
    assert sum(len(each.metrics) for each in logged) == small


def test_a_point_that_is_in_the_database_twice_counts_once_and_no_other_metric(tmp_path):
    path = tmp_path / "mlflow.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE metrics (run_uuid, key, step)")
        rows = [("a", "train/metric_0", 1), ("a", "train/metric_0", 1), ("a", "eval/kl", 1)]
        connection.executemany("INSERT INTO metrics VALUES (?, ?, ?)", rows)
    connection.close()
    assert mirroring._points_in(path) == 1


def test_what_is_not_complete_misses_its_bar(monkeypatch):
    points = mirroring.TRIALS * mirroring.STEPS * mirroring.METRICS
    for written, met in ((points, True), (points - 1, False)):
        monkeypatch.setattr(mirroring, "_to_sqlite", lambda _, n=written: (100.0, 90.0, n))
        monkeypatch.setattr(mirroring, "_longest_pause", lambda *_: 0.01)
        monkeypatch.setattr(mirroring, "_beside_a_late_server", lambda _: (0.02, 5))
        figures, bars = mirroring.measure(ROOT / "a space", ROOT / "a sweep")
        assert figures["of them in the database"] == written
        (bar,) = [each for each in bars if each.name.startswith("Complete")]
        assert bar.met is met


def test_a_blocked_loop_shows_as_a_pause(tmp_path):
    journal = mirroring._journal(tmp_path)
    blocked = iter([0.3])

    def block(_):
        mirroring.time.sleep(next(blocked, 0.0))

    journal.subscribe(block)
    assert 0.3 <= mirroring._longest_pause(journal, 0.5) < 3


@pytest.mark.slow
def test_a_server_that_answers_late_does_not_hold_up_the_drivers_loop(tmp_path):
    """A loop that waited for each call would have no time left for steps."""
    with late_server(tmp_path, free_port(), LATE_S) as uri:
        journal = mirroring._journal(tmp_path)
        mirror = MlflowMirror(journal.path, uri, "mirror")
        mirror.start()
        wait_for_the_first_call(mirror)
        calls = mirror.calls
        pause = mirroring._longest_pause(journal, WATCHED_S)
        calls = mirror.calls - calls
        mirror.close(1.0)
    steps = sum(each.kind == "train" for each in read_journal(journal.path))
    print(f"{steps} steps and {calls} late calls; longest pause {1000 * pause:.0f} ms")  # noqa: T201
    assert calls > 5
    assert steps > WATCHED_S / mirroring.PACE_S / 4
    assert pause < WATCHED_S / 4


def wait_for_the_first_call(mirror):
    """Until then MLflow is being imported, which the benchmark counts and this test does not."""
    deadline = mirroring.time.monotonic() + 60
    while mirror.calls == 0:
        assert mirroring.time.monotonic() < deadline
        mirroring.time.sleep(0.05)
