"""(b) The documented Ray pattern: Ray Train inside Ray Tune, a fresh worker group per trial."""

import time
from pathlib import Path
from typing import Any

import ray.train
import ray.train.torch
import torch
from ray import tune
from ray.tune.integration.ray_train import TuneReportCallback

from benchmarks.held_out import held_out_of
from benchmarks.stock import read_rows, train_stock
from benchmarks.task import Observed, Quality, Task
from dpo_ray.cluster.session import ray_session


def run(task: Task) -> Observed:
    """Run all configurations under Tune, one at a time.

    Raises:
        RuntimeError: a trial failed or did not report.
    """
    ends = TrialEnds()
    with ray_session(None):
        results = _tuner(task, ends).fit()
    if results.errors or len(ends.times) != len(task.trainings):
        raise RuntimeError(f"not all trials of (b) ran: {results.errors}")
    return Observed(
        first_step=min(result.metrics["first_step"] for result in results),
        ended=tuple(ends.times),
        steps=sum(result.metrics["steps"] for result in results),
        whole=tuple(_quality(result.metrics) for result in results if "accuracy" in result.metrics),
    )


class TrialEnds(tune.Callback):  # type: ignore[misc]
    """Notes, on the driver, when Tune learns that a trial is over."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:
        """Note the time."""
        self.times.append(time.time())


def _tuner(task: Task, ends: TrialEnds) -> Any:
    return tune.Tuner(
        run_trial,
        param_space={
            "task": task.model_dump_json(),
            "number": tune.grid_search(list(range(len(task.trainings)))),
        },
        tune_config=tune.TuneConfig(max_concurrent_trials=1),
        run_config=tune.RunConfig(
            name="tune", storage_path=str(task.folder), callbacks=[ends], verbose=0
        ),
    )


def run_trial(config: dict[str, Any]) -> None:
    """Tune's function trainable: one Ray Train run."""
    task = Task.model_validate_json(config["task"])
    trainer = ray.train.torch.TorchTrainer(
        train_on_worker,
        train_loop_config=config,
        scaling_config=ray.train.ScalingConfig(num_workers=1, use_gpu=torch.cuda.is_available()),
        run_config=ray.train.RunConfig(
            name=f"train-{config['number']}",
            storage_path=str(task.folder),
            callbacks=[TuneReportCallback()],
        ),
    )
    trainer.fit()


def train_on_worker(config: dict[str, Any]) -> None:
    """Train one configuration and report once, at its end."""
    task = Task.model_validate_json(config["task"])
    number: int = config["number"]
    folder = Path(task.folder, f"trial-{number}")
    trained = train_stock(task, task.trainings[number], read_rows(task), folder, held_out_of(task))
    judged = trained.quality.model_dump() if trained.quality else {}
    ray.train.report({"first_step": trained.first_step, "steps": trained.steps, **judged})


def _quality(metrics: dict[str, Any]) -> Quality:
    return Quality(accuracy=metrics["accuracy"], margin=metrics["margin"])
