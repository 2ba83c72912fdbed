"""(d) `optuna.optimize` in one process over stock TRL, as many people write it."""

from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

from benchmarks.diary import Diary
from benchmarks.held_out import held_out_of
from benchmarks.stock import read_rows, train_stock
from benchmarks.task import Observed, Quality, Task
from dpo_ray.plan import Plan
from dpo_ray.search.distributions import distributions


def run(task: Task) -> Observed:
    """Optimize over the plan's space. Its configurations are queued, so that Optuna suggests what
    every other pattern runs.

    Raises:
        RuntimeError: it ran other configurations than the task lists.
    """
    plan = task.plan
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", pruner=_pruner(task))
    for params in task.configurations:
        study.enqueue_trial(params)
    objective = Objective(task, plan)
    study.optimize(objective, n_trials=len(task.trainings))
    drawn = [trial.params for trial in study.trials]
    if drawn != list(task.configurations):
        raise RuntimeError(f"(d) ran {drawn}, and was to run {task.configurations}")
    return objective.diary.observed()


class Objective:
    """Trains a suggested configuration and returns its accuracy on held-out pairs."""

    def __init__(self, task: Task, plan: Plan) -> None:
        self._task, self._plan, self._space = task, plan, distributions(plan.space)
        self._rows, self._held_out = read_rows(task), held_out_of(task)
        self.diary = Diary()

    def __call__(self, trial: optuna.Trial) -> float:
        """Train; report to Optuna at the rungs, and prune when its pruner says so."""

        def judged(step: int, quality: Quality) -> bool:
            trial.report(quality.accuracy, step)
            return bool(trial.should_prune())

        values = {name: _suggest(trial, name, each) for name, each in self._space.items()}
        training = self._plan.training_for(values)
        folder = self._task.folder / f"trial-{trial.number}"
        trained = train_stock(self._task, training, self._rows, folder, self._held_out, judged)
        self.diary.note(training, trained)
        if trained.steps < (training.max_steps or 0):
            raise optuna.TrialPruned
        return trained.quality.accuracy if trained.quality else 0.0


def _pruner(task: Task) -> optuna.pruners.BasePruner:
    if task.spared is None:
        return optuna.pruners.NopPruner()
    return optuna.pruners.MedianPruner(n_startup_trials=task.spared)


def _suggest(trial: optuna.Trial, name: str, within: BaseDistribution) -> Any:
    if isinstance(within, CategoricalDistribution):
        return trial.suggest_categorical(name, within.choices)
    suggest = trial.suggest_int if isinstance(within, IntDistribution) else trial.suggest_float
    return suggest(name, within.low, within.high, log=within.log)
