"""Real slots on the shared cluster, driven as a trial's proxy would."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import ray

from dpo_ray.plan import Plan
from dpo_ray.search.inputs import Inputs, check_inputs, preparation
from dpo_ray.search.preparation import Screen, prepare, trial_template
from dpo_ray.slots.events import Logged
from dpo_ray.slots.pool import SlotPool
from dpo_ray.slots.slot import SlotShape
from dpo_ray.training.jobs import Outcome, TrialJob

ROOT = Path(__file__).parents[2]


@dataclass
class Watched:
    """A trial as its lease holder saw it."""

    outcome: Outcome
    rungs: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    logs: list[tuple[int, dict[str, float]]] = field(default_factory=list)

    def train(self, name: str) -> list[float]:
        return [metrics[f"train/{name}"] for _, metrics in self.logs]


@pytest.fixture(scope="session")
def open_pool(cluster: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., SlotPool]:
    """Open a pool; the caller closes it."""

    def open_it(name: str, workers: int = 1, slots: int = 1) -> SlotPool:
        storage = str(tmp_path_factory.mktemp(name))
        return SlotPool(name, slots, SlotShape(workers, 0.9, 0.0, storage))

    return open_it


@pytest.fixture(scope="session")
def one_worker(open_pool: Callable[..., SlotPool], inputs: Inputs) -> Any:
    """A warm slot of one worker, shared by the tests of this folder."""
    pool = open_pool("one-worker")
    yield pool
    if ray.is_initialized():  # tests that run last take the cluster down, and the slot with it
        pool.close()


@pytest.fixture(scope="session")
def inputs(small_plan: Callable[..., Plan]) -> Inputs:
    plan = small_plan()
    return check_inputs(plan.sweep, plan.store)


@pytest.fixture(scope="session")
def make_job(
    small_plan: Callable[..., Plan], inputs: Inputs, one_worker: SlotPool
) -> Callable[..., TrialJob]:
    """Make a trial job over data that the slot itself has prepared."""
    shared = preparation(inputs, small_plan().sweep)
    prepare(shared, one_worker, Screen())

    def make(folder: Path, *overrides: str, trial: int = 0, **params: float) -> TrialJob:
        sweep = small_plan(*overrides).sweep
        return trial_template(sweep, shared, folder).configured(trial, params, "sampler")

    return make


def watch(
    pool: SlotPool,
    job: TrialJob,
    verdicts: dict[int, str] | None = None,
    at_rung: Callable[[int], None] = lambda step: None,
) -> Watched:
    """Run a trial in the pool's first slot, deciding each rung."""
    slot = next(iter(pool.slots.values()))
    seen = len(ray.get(slot.events.remote(0, 0.0)))
    job_id = ray.get(slot.start.remote(job))
    rungs = []
    while (turn := ray.get(slot.next_turn.remote(), timeout=120)).outcome is None:
        rungs.append((turn.step, turn.metrics))
        at_rung(turn.step)
        ray.get(slot.decide.remote(job_id, (verdicts or {}).get(turn.step, "continue")))
    events = ray.get(slot.events.remote(seen, 1.0))
    logs = [(event.step, event.metrics) for event in events if isinstance(event, Logged)]
    return Watched(turn.outcome, rungs, logs)


def run_in_a_process_of_its_own(job: TrialJob, tmp_path: Path) -> dict[str, Any]:
    """Run a trial in a fresh Python process without Ray."""
    import ray.cloudpickle as pickle

    task, answer = tmp_path / "task.pickle", tmp_path / "answer.json"
    task.write_bytes(pickle.dumps(job))
    command = [sys.executable, "-m", "tests.slots.one_process", str(task), str(answer)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)
    return dict(json.loads(answer.read_text()))
