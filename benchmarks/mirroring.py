"""The MLflow mirror: how fast it writes a large sweep, and whether a slow server slows the driver.

The driver's loop is the real thing that matters here: it appends to the journal at the pace of
training, while the mirror follows in its own thread of the same process.
"""

import socket
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

from benchmarks.late_server import late_server
from benchmarks.ratios import Bar
from dpo_ray.tracking.journal import Journal
from dpo_ray.tracking.mlflow_mirror import MlflowMirror
from dpo_ray.tracking.mlflow_server import default_uri
from dpo_ray.tracking.records import (
    RungReached,
    SweepEnded,
    SweepPlanned,
    TrainMetrics,
    TrialEnded,
    TrialStarted,
)

TITLE = "The MLflow mirror: 200 trials of 500 steps with 12 metrics, and a server 5 s late"
TRIALS, STEPS, METRICS = 200, 500, 12
LATE_S, WATCHED_S, PACE_S = 5.0, 60.0, 0.01
PATIENCE_S = 1800.0


def measure(space: Path, sweep: Path) -> tuple[dict[str, float], list[Bar]]:
    """Mirror a large sweep to SQLite, then watch the driver's loop beside a late server."""
    with tempfile.TemporaryDirectory(prefix="dpo-ray-mirror-") as name:
        seconds, cpu_s, written = _to_sqlite(Path(name))
    with tempfile.TemporaryDirectory(prefix="dpo-ray-mirror-") as name:
        alone = _longest_pause(_journal(Path(name)), WATCHED_S / 4)
    with tempfile.TemporaryDirectory(prefix="dpo-ray-mirror-") as name:
        pause, calls = _beside_a_late_server(Path(name))
    points = TRIALS * STEPS * METRICS
    figures = {
        "metric points": float(points),
        "seconds to SQLite": seconds,
        "CPU seconds of it": cpu_s,
        "points a second": points / seconds,
        "of them in the database": float(written),
        "longest pause of the driver's loop alone, ms": 1000 * alone,
        "longest pause beside a server 5 s late, ms": 1000 * pause,
        "steps the mirror took meanwhile": float(calls),
    }
    return figures, [
        Bar("200 trials x 500 steps x 12 metrics to SQLite", seconds, "<=", 180, " s"),
        Bar("Complete: share of the points that are in the database", written / points, ">=", 1),
        Bar("Longest pause of the driver's loop beside a late server", pause, "<=", 0.5, " s"),
    ]


def _to_sqlite(folder: Path) -> tuple[float, float, int]:
    """Return the seconds it took, the CPU seconds of them, and the points in the database."""
    journal = _journal(folder)
    for trial in range(TRIALS):
        _write_trial(journal, trial)
    journal.append(SweepEnded(exit_code=0, reason="all trials of the plan are done", best=0))
    journal.close()
    mirror = MlflowMirror(journal.path, default_uri(folder), "mirror")
    began, cpu_s = time.monotonic(), time.process_time()
    mirror.start()
    mirror.close(PATIENCE_S)
    seconds, cpu_s = time.monotonic() - began, time.process_time() - cpu_s
    return seconds, cpu_s, _points_in(folder / "mlflow.db")


def _points_in(database: Path) -> int:
    """Count the training's points, each run's steps and names once, by SQLite itself."""
    once = "SELECT DISTINCT run_uuid, key, step FROM metrics WHERE key LIKE 'train/metric%'"
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute(f"SELECT COUNT(*) FROM ({once})").fetchone()[0])


def _journal(folder: Path) -> Journal:
    journal = Journal.create(folder / "sweeps" / "mirror" / "journal.jsonl")
    journal.append(SweepPlanned(name="mirror", plan={}, host="here", pid=1, versions={}))
    return journal


def _write_trial(journal: Journal, trial: int) -> None:
    journal.append(_started(trial), sync=False)
    for step in range(1, STEPS + 1):
        journal.append(_logged(trial, step), sync=False)
    evaluation = {"eval/win_rate": 0.5 + trial / 1000, "eval/kl": trial / 100}
    journal.append(
        RungReached(trial=trial, step=STEPS, fraction=1.0, metrics=evaluation), sync=False
    )
    journal.append(
        TrialEnded(trial=trial, state="COMPLETED", reason="", step=STEPS, seconds=1.0), sync=False
    )


def _started(trial: int) -> TrialStarted:
    return TrialStarted(
        trial=trial,
        params={"beta": 0.1 + trial / 1000, "learning_rate": 1e-3, "lora_rank": 8},
        origin="sampler",
        slot="slot-0",
        folder=f"/nowhere/t{trial:02d}",
        total_steps=STEPS,
    )


def _logged(trial: int, step: int) -> TrainMetrics:
    metrics = {f"train/metric_{each}": each + 1 / step for each in range(METRICS)}
    return TrainMetrics(trial=trial, step=step, metrics=metrics)


def _beside_a_late_server(folder: Path) -> tuple[float, int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with late_server(folder, port, LATE_S) as uri:
        journal = _journal(folder)
        mirror = MlflowMirror(journal.path, uri, "mirror")
        mirror.start()
        pause = _longest_pause(journal, WATCHED_S)
        mirror.close(1.0)
    return pause, mirror.calls


def _longest_pause(journal: Journal, seconds: float) -> float:
    """Append a step's metrics every 10 ms, a new trial every 100 steps; return the longest time
    by which a turn of the loop was late."""
    began, longest, turn = time.monotonic(), 0.0, 0
    while (before := time.monotonic()) - began < seconds:
        trial, step = divmod(turn, 100)
        if step == 0:
            journal.append(_started(trial))
        journal.append(_logged(trial, step + 1), sync=False)
        time.sleep(PACE_S)
        longest = max(longest, time.monotonic() - before - PACE_S)
        turn += 1
    return longest
