"""Runs one pattern in a process of its own and times that process."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.comparisons import ROOT, SPACE, SWEEP, Comparison
from benchmarks.drawing import draw_configurations, write_training_pairs
from benchmarks.task import Observed, Pattern, Task
from benchmarks.timeline import Timeline
from dpo_ray.plan import make_plan
from dpo_ray.reference.model import EMBEDDED, model_folder

LIMIT_S = 1800.0
STEERING = ("RAY_ADDRESS", "OMP_NUM_THREADS")
LAST_LINES = 30


class PatternFailed(RuntimeError):
    """A pattern's process did not end well."""


def run(
    comparison: Comparison,
    pattern: Pattern,
    *,
    threads: int | None = None,
    limit_s: float = LIMIT_S,
) -> Timeline:
    """Run and time one pattern in a folder that is gone afterwards; raises what `measure` does."""
    with tempfile.TemporaryDirectory(prefix="dpo-ray-bench-") as folder:
        return measure(make_task(comparison, pattern, Path(folder), threads), limit_s)


def make_task(comparison: Comparison, pattern: Pattern, folder: Path, threads: int | None) -> Task:
    """Draw the configurations and lay out what the pattern's process needs in `folder`."""
    overrides = (*comparison.overrides, f"search.trials={comparison.trials[pattern]}")
    plan = make_plan(SPACE, SWEEP, overrides, folder / "store")
    configurations = draw_configurations(plan)
    pairs = folder / "train.jsonl"
    write_training_pairs(plan, pairs)
    return Task(
        pattern=pattern,
        space=SPACE,
        sweep=SWEEP,
        overrides=overrides,
        folder=folder,
        model=model_folder(EMBEDDED),
        pairs=pairs,
        configurations=tuple(configurations),
        trainings=tuple(plan.training_for(each) for each in configurations),
        threads=threads,
    )


def measure(task: Task, limit_s: float) -> Timeline:
    """Run the task in a fresh process, cold caches included, and time it from outside.

    Raises:
        PatternFailed: it exited with an error; the text ends with its last lines.
        subprocess.TimeoutExpired: it was ended at the limit.
    """
    task_file, seen_file = task.folder / "task.json", task.folder / "seen.json"
    task_file.write_text(task.model_dump_json())
    command = [sys.executable, "-m", "benchmarks.child", str(task_file), str(seen_file)]
    log = task.folder / "log.txt"
    began = time.time()
    with log.open("wb") as output:
        done = subprocess.run(
            command,
            env=_environment(task),
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=limit_s,
        )
    finished = time.time()
    if done.returncode != 0:
        lines = log.read_text(errors="replace").splitlines()[-LAST_LINES:]
        raise PatternFailed("\n".join([f"({task.pattern}) failed:", *lines]))
    return Timeline(began, finished, Observed.model_validate_json(seen_file.read_bytes()))


def _environment(task: Task) -> dict[str, str]:
    """Return this process's environment with a fresh cache and without what would steer a run."""
    kept = {key: value for key, value in os.environ.items() if key not in STEERING}
    if task.threads is not None:
        kept["OMP_NUM_THREADS"] = str(task.threads)
    return {
        **kept,
        "HF_HOME": str(task.folder / "huggingface"),
        # Ray's workers, too, must find this package, which is not installed.
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), kept.get("PYTHONPATH")])),
    }
