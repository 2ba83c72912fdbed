"""Where the seconds of one wide trial go, and what the same steps cost without a trainer."""

import cProfile
import pstats
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.alone import GoesOn, control_job
from benchmarks.comparisons import comparisons
from benchmarks.measuring import make_task
from benchmarks.ratios import Bar
from benchmarks.raw_passes import prepare, train
from benchmarks.task import Task
from dpo_ray.ranks import Ranks
from dpo_ray.training.desk import Desk
from dpo_ray.training.trial import run_trial

TITLE = (
    "One wide trial in this process, on one thread, judged at its end: by cProfile, "
    "whose own cost falls on what calls many small functions"
)
SHARES: dict[str, tuple[tuple[str, str], ...]] = {
    "forward, loss and TRL's metrics": (("trl/trainer/dpo_trainer.py", "_compute_loss"),),
    "backward": (("accelerate/accelerator.py", "backward"),),
    "optimizer, clipping, schedule": (
        ("accelerate/optimizer.py", "step"),
        ("accelerate/optimizer.py", "zero_grad"),
        ("accelerate/scheduler.py", "step"),
        ("transformers/trainer.py", "_clip_grad_norm"),
    ),
    "data loading and collation": (("transformers/trainer.py", "get_batch_samples"),),
    "evaluation": (("evaluation/evaluate.py", "__call__"),),
    "tables, checkpoints and the adapter": (
        ("training/keeping.py", "keep_evaluation"),
        ("training/policy.py", "save_checkpoint"),
        ("training/policy.py", "save_policy"),
    ),
    "logging": (("transformers/trainer.py", "_maybe_log_save_evaluate"),),
    "building the trainer": (("training/attempt.py", "_build"),),
    "check at step 0": (("training/attempt.py", "_check_step_zero"),),
    "taking the adapter off": (("training/policy.py", "take_off"),),
}
"""Functions by the end of their file's name; none is called by another one of the list."""


def measure(space: Path, sweep: Path) -> tuple[dict[str, float], list[Bar]]:
    """Time trial and floor on one thread, then the trial once more under cProfile."""
    (wide,) = comparisons(quick=True, only="wide")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as name:
            return _measure(make_task(wide, "a", Path(name), 1), Path(name))
    finally:
        torch.set_num_threads(threads)


def _measure(task: Task, folder: Path) -> tuple[dict[str, float], list[Bar]]:
    desk, floor = Desk(Ranks(), torch.device("cpu")), prepare(task)
    job = control_job(task.plan, desk, folder / "trials")

    def trial() -> None:
        run_trial(job, 1, desk, GoesOn())

    trial()  # loads the model, and tells the evaluator what stays
    ours, raw = _seconds(trial), _seconds(lambda: train(floor, job.training))
    profile = cProfile.Profile()
    profiled = _seconds(lambda: profile.runcall(trial))
    figures = {
        "a trial, s": ours,
        "the floor's, s": raw,
        "a trial under cProfile, s": profiled,
    }
    figures |= {f"{name}, %": 100 * each for name, each in shares(profile, profiled).items()}
    return figures, [Bar("A wide trial alone, one thread, / its floor", ours / raw, "<=", 2.0)]


def shares(profile: cProfile.Profile, seconds: float) -> dict[str, float]:
    """Return each part of `seconds`, and what is left: the Trainer's loop and callbacks."""
    stats: dict[tuple[str, int, str], Any] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    found = {
        part: sum(
            cumulative
            for (file, _, name), (_, _, _, cumulative, _) in stats.items()
            if any(file.endswith(end) and name == function for end, function in functions)
        )
        / seconds
        for part, functions in SHARES.items()
    }
    return found | {"the Trainer's loop, callbacks and all else": 1 - sum(found.values())}


def _seconds(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began
