"""Preparation by one warm worker and by two, the same rows from an empty cache."""

import tempfile
import time
from pathlib import Path

import ray

from benchmarks.larger_toy import write_model, write_pairs
from benchmarks.ratios import Bar
from dpo_ray.cluster.session import ray_session
from dpo_ray.plan import make_plan
from dpo_ray.search.inputs import check_inputs, preparation
from dpo_ray.search.preparation import Screen, prepare
from dpo_ray.slots.pool import SlotPool
from dpo_ray.slots.slot import SlotShape

ROWS = 800
TITLE = f"Preparing {ROWS:,} pairs at hidden size 256: tokens, scores, completions"


def measure(space: Path, sweep: Path) -> tuple[dict[str, float], list[Bar]]:
    """Time both on warm slots, so that imports do not count."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name, ray_session(None):
        folder = Path(name)
        model = write_model(folder / "model")
        source = write_pairs(folder / "pairs.jsonl", ROWS, reviews=3)
        overrides = (f"data.source={source}", f"model.name={model}", "evaluation.batch_size=32")
        for workers in (1, 2):
            plan = make_plan(space, sweep, overrides, folder / f"store-{workers}")
            shared = preparation(check_inputs(plan.sweep, plan.store), plan.sweep)
            # The session is shared with the next pool, so the workers leave by themselves.
            shape = SlotShape(1, 0.9, 0.0, str(folder / f"train-{workers}"))
            with SlotPool(f"bench-{workers}", workers, shape) as pool:
                ray.get([slot.wait_warm.remote() for slot in pool.slots.values()])
                began = time.perf_counter()
                prepare(shared, pool, Screen())
                found[f"{workers} worker{'s' * (workers > 1)}, s"] = time.perf_counter() - began
    one, two = found.values()
    return found, [Bar("Preparing, 1 worker / 2 workers", one / two, ">=", 1.6)]
