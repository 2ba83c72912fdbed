"""The search itself: Tune over proxy trials, until the last trial or a reason to end."""

import logging
import os
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.stopper import Stopper

from dpo_ray.config.objective import ObjectiveConfig
from dpo_ray.plan import Plan
from dpo_ray.search.distributions import distributions
from dpo_ray.search.progress import Progress
from dpo_ray.search.proxy import CPUS, OBJECTIVES, ProxyTrial
from dpo_ray.search.pump import EventPump
from dpo_ray.search.recorder import Recorder
from dpo_ray.search.samplers import make_sampler
from dpo_ray.search.schedulers import make_scheduler
from dpo_ray.search.study import StudySearch
from dpo_ray.slots.pool import SlotPool
from dpo_ray.tracking.journal import Journal
from dpo_ray.training.jobs import TrialJob

CANCEL_S = 30.0
ENVIRONMENT = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # Ctrl-C is ours: it cancels through the mailboxes.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    # Resume reads the journal; Tune's own snapshots are never restored.
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
}


MODES = {"maximize": "max", "minimize": "min"}


class EndSearch(Stopper):
    """Asks, between Tune's steps, whether the search must end, and then cancels the slots."""

    def __init__(self, progress: Progress, pool: SlotPool) -> None:
        self._progress = progress
        self._pool = pool
        self._cancelled = False

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its stopper for a restore that never happens here.
        return {}

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Never stop one trial: that is the scheduler's to decide."""
        return False

    def stop_all(self) -> bool:
        """Whether to end the experiment."""
        ending = self._progress.reason() is not None
        if ending and not self._cancelled:
            self._cancelled = True
            self._pool.cancel_all(timeout_s=0)
        return ending


def run_search(
    plan: Plan,
    pool: SlotPool,
    pump: EventPump,
    template: TrialJob,
    journal: Journal,
    progress: Progress,
    scratch: Path,
) -> None:
    """Run the plan's trials and journal all they do. Returns when every slot is idle.

    `scratch` takes Tune's own files, which nothing of ours reads.

    Raises:
        DpoRayError: the search ended before its last trial; the kind says why.
    """
    os.environ.update(ENVIRONMENT)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    sweep = plan.sweep
    metrics = list(OBJECTIVES[: len(sweep.objective)])
    modes = [MODES[objective.direction] for objective in sweep.objective]
    # A rung decides by one number: of two objectives by the first.
    scheduler = make_scheduler(
        sweep.search.scheduler,
        sweep.evaluation.at,
        metric=metrics[0],
        mode=modes[0],
        label=_label(sweep.objective[0]),
    )
    searcher = StudySearch(
        distributions(plan.space),
        metric=metrics[0] if len(metrics) == 1 else metrics,
        mode=modes[0] if len(modes) == 1 else modes,
        sampler=make_sampler(sweep.search, plan.space, 0),
        control=plan.control,
    )
    recorder = Recorder(journal, pool.slots, pump, scheduler)
    try:
        tune.Tuner(
            tune.with_resources(ProxyTrial, {"cpu": CPUS}),
            param_space={
                "template": template,
                "leases": pool.leases_name,
                "objectives": [each.model_dump(mode="json") for each in sweep.objective],
            },
            tune_config=tune.TuneConfig(
                num_samples=sweep.search.trials,
                max_concurrent_trials=sweep.search.concurrent,
                search_alg=searcher,
                scheduler=scheduler,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(
                name="tune",
                storage_path=str(scratch),
                stop=EndSearch(progress, pool),
                callbacks=[recorder],
                verbose=0,
            ),
        ).fit()
    finally:
        pool.cancel_all(CANCEL_S)
        pump.catch_up(CANCEL_S)
    progress.check()


def _label(objective: ObjectiveConfig) -> str:
    return objective.metric if objective.penalty is None else f"penalised {objective.metric}"
