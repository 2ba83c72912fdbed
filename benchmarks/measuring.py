"""Runs one pattern in a process of its own and times that process."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.comparisons import HELD_OUT, ROOT, SPACE, SPARED, SWEEP, Comparison
from benchmarks.drawing import draw_configurations, write_raw_pairs
from benchmarks.larger_toy import write_model, write_pairs
from benchmarks.task import Observed, Row, Task, pattern_of
from benchmarks.timeline import Timeline
from benchmarks.usage import CPU_EVERY_S, MEMORY_EVERY_S, TreeWatch
from dpo_ray.cluster.resources import measure_local
from dpo_ray.plan import make_plan
from dpo_ray.reference.model import EMBEDDED, model_folder

LIMIT_S = 1800.0
PAIRS = 800
"""Of the larger toy: some 480 to train on, twice in 120 steps."""
STEERING = ("RAY_ADDRESS", "OMP_NUM_THREADS")
LAST_LINES = 30


class PatternFailed(RuntimeError):
    """A pattern's process did not end well."""


def run(
    comparison: Comparison,
    row: Row,
    *,
    threads: int | None = None,
    limit_s: float = LIMIT_S,
) -> Timeline:
    """Run and time one line in a folder that is gone afterwards; raises what `measure` does."""
    with tempfile.TemporaryDirectory(prefix="dpo-ray-bench-") as folder:
        return measure(make_task(comparison, row, Path(folder), threads), limit_s)


def make_task(comparison: Comparison, row: Row, folder: Path, threads: int | None) -> Task:
    """Draw the configurations and lay out what the pattern's process needs in `folder`."""
    model, material = _material(folder) if comparison.larger else (model_folder(EMBEDDED), ())
    overrides = (*comparison.overrides(row), *on_gpus(measure_local().gpus), *material)
    plan = make_plan(SPACE, SWEEP, overrides, folder / "store")
    configurations = draw_configurations(plan)
    return Task(
        pattern=pattern_of(row),
        space=SPACE,
        sweep=SWEEP,
        overrides=overrides,
        folder=folder,
        model=model,
        pairs=write_raw_pairs(plan, "train", folder / "train.jsonl"),
        held_out=write_raw_pairs(plan, "validation", folder / "validation.jsonl", HELD_OUT),
        configurations=tuple(configurations),
        trainings=tuple(plan.training_for(each) for each in configurations),
        rungs=comparison.rungs(row),
        spared=SPARED if row.endswith("+") else None,
        threads=threads,
    )


def on_gpus(gpus: int) -> tuple[str, ...]:
    """Return what lets both of (a)'s slots train where all others do: on a GPU, if there is one."""
    return (f"resources.gpus_per_worker={min(1.0, gpus / 2)}",) if gpus else ()


def _material(folder: Path) -> tuple[Path, tuple[str, ...]]:
    model = write_model(folder / "model")
    source = write_pairs(folder / "pairs.jsonl", PAIRS, reviews=3)
    return model, (f"model.name={model}", f"data.source={source}")


def measure(task: Task, limit_s: float) -> Timeline:
    """Run the task in a fresh process, cold caches included, and time it from outside.

    Raises:
        PatternFailed: it exited with an error; the text ends with its last lines.
        subprocess.TimeoutExpired: it was ended at the limit, with all it had started.
    """
    task_file, seen_file = task.folder / "task.json", task.folder / "seen.json"
    task_file.write_text(task.model_dump_json())
    command = [sys.executable, "-m", "benchmarks.child", str(task_file), str(seen_file)]
    log = task.folder / "log.txt"
    began = time.time()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=_environment(task), stdout=output, stderr=subprocess.STDOUT
        )
    watch = TreeWatch(process.pid)
    _follow(process, watch, limit_s)
    finished = time.time()
    if process.returncode != 0:
        lines = log.read_text(errors="replace").splitlines()[-LAST_LINES:]
        raise PatternFailed("\n".join([f"({task.pattern}) failed:", *lines]))
    seen = Observed.model_validate_json(seen_file.read_bytes())
    return Timeline(began, finished, seen, watch.usage)


def _follow(process: subprocess.Popen[bytes], watch: TreeWatch, limit_s: float) -> None:
    """Watch until the process ends; at the limit, or interrupted, end all of its tree."""
    began = last = time.monotonic()
    try:
        while True:
            try:
                process.wait(CPU_EVERY_S)
                return
            except subprocess.TimeoutExpired:
                now = time.monotonic()
                due = now - last >= MEMORY_EVERY_S
                watch.look(memory=due)
                last = now if due else last
                if now - began > limit_s:
                    raise
    except BaseException:
        watch.kill()
        process.wait()
        raise


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
