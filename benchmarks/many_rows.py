"""Preparation of 10,000 and 100,000 rows: memory should stay, time should grow tenfold."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.larger_toy import write_pairs
from benchmarks.ratios import Bar

SIZES = (10_000, 100_000)
TITLE = "Preparing many rows of the embedded language: reading, tokens and scores, in one process"
CHILD = """
import json, resource, sys, time
from pathlib import Path
from dpo_ray.plan import make_plan
from dpo_ray.search.inputs import check_inputs, preparation
from dpo_ray.search.preparation import Screen, prepare
from dpo_ray.training.in_process import InProcess

space, sweep, source, store = sys.argv[1:]
import torch
torch.set_num_threads(1)  # as a worker of 0.9 CPUs has
plan = make_plan(Path(space), Path(sweep), [f"data.source={source}"], Path(store))
workers = InProcess()
seconds, began = {}, time.perf_counter()
shared = preparation(check_inputs(plan.sweep, plan.store), plan.sweep)
seconds["reading and checking"] = time.perf_counter() - began
for stage in ("tokens", "scores"):
    began = time.perf_counter()
    prepare(shared, workers, Screen(), stages=((stage,),))
    seconds[stage] = time.perf_counter() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "peak": peak}))
"""


def measure(space: Path, sweep: Path) -> tuple[dict[str, float], list[Bar]]:
    """Prepare each size in a fresh process and compare peaks of memory and times."""
    figures: dict[str, float] = {}
    peaks, totals = [], []
    for rows in SIZES:
        seen = _prepare(space, sweep, rows)
        peaks.append(seen["peak"])
        totals.append(sum(seen["seconds"].values()))
        figures |= {f"{rows:,} rows, {key}, s": each for key, each in seen["seconds"].items()}
        figures[f"{rows:,} rows, peak memory, MiB"] = seen["peak"]
    growth = totals[1] / totals[0] / (SIZES[1] / SIZES[0])
    return figures, [
        Bar("Peak memory, 100,000 / 10,000 rows", peaks[1] / peaks[0], "<=", 1.3),
        Bar("Time a row, 100,000 / 10,000 rows", growth, "<=", 1.2),
    ]


def _prepare(space: Path, sweep: Path, rows: int) -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = write_pairs(folder / "pairs.jsonl", rows)
        command = [sys.executable, "-c", CHILD, space, sweep, source, folder / "store"]
        done = subprocess.run(
            list(map(str, command)), check=True, capture_output=True, text=True, timeout=3600
        )
        return dict(json.loads(done.stdout.splitlines()[-1]))
