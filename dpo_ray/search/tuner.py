"""The search itself: Tune over proxy trials, until the last trial or a reason to end."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray import tune
from ray.tune.execution import class_cache
from ray.tune.stopper import Stopper

from dpo_ray.cluster.verbosity import is_verbose
from dpo_ray.errors import ClusterUnreachable
from dpo_ray.plan import Plan
from dpo_ray.search.meter import Meter
from dpo_ray.search.past import over
from dpo_ray.search.progress import Progress
from dpo_ray.search.proxy import CPUS, ProxyTrial
from dpo_ray.search.pump import EventPump
from dpo_ray.search.recorder import Recorder
from dpo_ray.search.rung_book import rung_book
from dpo_ray.search.schedulers import RungScheduler
from dpo_ray.search.study import StudySearch
from dpo_ray.search.warm_start import first_in_turn
from dpo_ray.slots.pool import SlotPool
from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.state import SweepState, fold
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
SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN")


class EndSearch(Stopper):
    """Asks, between Tune's steps, whether the search must end, and then cancels the slots."""

    def __init__(self, progress: Progress, meter: Meter, pool: SlotPool) -> None:
        self._progress, self._meter = progress, meter
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
        ending = self._progress.reason() is not None or self._meter.search_is_over()
        if ending and not self._cancelled:
            self._cancelled = True
            self._pool.cancel_all(timeout_s=0)
        return ending


@dataclass(frozen=True)
class SearchParts:
    """All that a search works with; `scratch` takes Tune's own files, which nobody reads."""

    plan: Plan
    pool: SlotPool
    pump: EventPump
    template: TrialJob
    journal: Journal
    progress: Progress
    meter: Meter
    scratch: Path


def run_search(parts: SearchParts) -> None:
    """Run what the journal lacks of the plan's trials, and journal all they do.

    Returns when every slot is idle: the plan is done, or its budget is spent (the meter says so).

    Raises:
        DpoRayError: the search ended before its last trial; the kind says why.
    """
    os.environ.update(ENVIRONMENT)
    # Tune hands these to its trials' actors, and Ray writes what an actor is handed to its logs.
    class_cache.ENV_VARS_TO_PROPAGATE.difference_update(SECRETS)
    if not is_verbose():
        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    past = fold(read_journal(parts.journal.path))
    if over(past) >= parts.plan.trials:
        return
    try:
        _tuner(parts, past).fit()
    finally:
        patience = 0.0 if parts.progress.twice else CANCEL_S
        parts.pool.cancel_all(patience)
        parts.pump.catch_up(patience)
    parts.progress.check()
    _refuse_losses(parts)


def _refuse_losses(parts: SearchParts) -> None:
    """Refuse to call a search done that Tune has ended without all of its trials.

    Raises:
        ClusterUnreachable: some were lost, with whatever stood for them.
    """
    asked, done = parts.plan.trials, over(fold(read_journal(parts.journal.path)))
    if done < asked and not parts.meter.search_spent:
        raise ClusterUnreachable(
            f"{asked - done} of {asked} trials were lost with the processes that stood for them; "
            "the same command goes on with them"
        )


def _tuner(parts: SearchParts, past: SweepState) -> tune.Tuner:
    plan, pool, meter = parts.plan, parts.pool, parts.meter
    search = plan.sweep.search
    scheduler = RungScheduler(rung_book(plan.sweep, plan.trials, past))
    objectives = [each.model_dump(mode="json") for each in plan.sweep.objective]
    first = first_in_turn(plan, past.warm)
    searcher = StudySearch(search, plan.space, objectives, first, past, meter.may_start)
    return tune.Tuner(
        tune.with_resources(ProxyTrial, parts.pool.beside_driver({"CPU": CPUS})),
        param_space={
            "template": parts.template,
            "leases": pool.leases_name,
            "objectives": objectives,
        },
        tune_config=tune.TuneConfig(
            num_samples=plan.trials - over(past),
            max_concurrent_trials=search.concurrent,
            search_alg=searcher,
            scheduler=scheduler,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(parts.scratch),
            stop=EndSearch(parts.progress, meter, pool),
            callbacks=[Recorder(parts.journal, pool.slots, parts.pump, scheduler, pool.forsake)],
            verbose=0,
        ),
    )
