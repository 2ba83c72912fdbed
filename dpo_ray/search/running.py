"""The part of a sweep that needs a cluster: from connecting to the last trial's end."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dpo_ray.cluster.session import cluster_available, joins_a_cluster, ray_session
from dpo_ray.errors import NoTrialCompleted
from dpo_ray.plan import Plan, check_resources
from dpo_ray.search.inputs import Inputs
from dpo_ray.search.interruption import interruptible
from dpo_ray.search.preparation import prepare_once, trial_template
from dpo_ray.search.progress import Progress
from dpo_ray.slots.pool import GOING_HOME_S, SlotPool
from dpo_ray.slots.slot import SlotShape
from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.records import TrialEnded
from dpo_ray.tracking.state import fold


def prepare_and_search(
    plan: Plan,
    inputs: Inputs,
    journal: Journal,
    stage: Callable[[str], None],
    meanwhile: Callable[[], None] = lambda: None,
    *,
    evaluate: bool = True,
) -> None:
    """Open the slots, prepare once, run all trials, and send everybody home.

    `stage` is told what begins; `meanwhile` is called while the slots warm up.
    However it ends, every started trial has its end journaled.
    `evaluate=False` measures training alone: rungs are passed without metrics.

    Raises:
        DpoRayError: why the sweep ended early, or that no trial completed.
    """
    progress = Progress(plan.sweep.budget.failures)
    with (
        interruptible(progress),
        tempfile.TemporaryDirectory(prefix="dpo-ray-") as scratch,
    ):
        joins = joins_a_cluster(plan.sweep.cluster.address)
        stage("Joining the Ray cluster" if joins else "Starting Ray")
        # Signals twice: Ray takes SIGTERM for itself when it connects.
        with ray_session(plan.sweep.cluster.address), interruptible(progress):
            try:
                with _open_slots(plan, Path(scratch)) as pool:
                    stage(_opening(plan, inputs))
                    # Seconds of imports, of no use before the slots are on their way.
                    from dpo_ray.search.tuner import run_search

                    meanwhile()
                    journal.append(prepare_once(inputs, plan.sweep, pool, progress.check))
                    stage("Waiting for the first slot to be warm")
                    template = trial_template(inputs, plan.sweep, plan.folder)
                    template = replace(template, evaluate=evaluate)
                    run_search(plan, pool, template, journal, progress, Path(scratch))
            finally:
                _end_what_is_open(journal)
    if not fold(read_journal(journal.path)).with_status("COMPLETED"):
        raise NoTrialCompleted("no trial ran to its end, so there is nothing to recommend")


def _open_slots(plan: Plan, scratch: Path) -> SlotPool:
    # Asked again of Ray itself: where its count is lower than ours, it would wait for ever.
    placement = check_resources(plan, cluster_available(plan.sweep.cluster.address))
    resources = plan.sweep.resources
    shape = SlotShape(
        workers=resources.workers,
        cpus=resources.cpus_per_worker,
        gpus=placement.gpus_per_worker,
        storage=str(scratch / "train"),
        # A cluster of our own ends with the sweep, and everything on it.
        disposable=not joins_a_cluster(plan.sweep.cluster.address),
    )
    patience = 0.0 if shape.disposable else GOING_HOME_S
    return SlotPool(plan.name, _slots(plan), shape, patience)


def _slots(plan: Plan) -> int:
    return min(plan.sweep.search.concurrent, plan.sweep.search.trials)


def _opening(plan: Plan, inputs: Inputs) -> str:
    slots = _slots(plan)
    if inputs.prepared.complete:
        return f"Warming {slots} slots; data and reference are prepared already"
    return f"Warming {slots} slots, then tokens, reference scores and completions, once"


def _end_what_is_open(journal: Journal) -> None:
    """Give every trial that lost its slot an end: nobody else would."""
    for row in fold(read_journal(journal.path)).with_status("RUNNING"):
        journal.append(
            TrialEnded(
                trial=row.number,
                state="KILLED",
                reason="the sweep ended while it ran",
                step=row.step,
                seconds=0.0,
            )
        )
