"""A rehearsal of a sweep: everything but the training."""

import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

from dpo_ray.data.prepared import Prepared
from dpo_ray.plan import Plan
from dpo_ray.search.going_on import settle
from dpo_ray.search.meter import Meter
from dpo_ray.search.progress import Progress
from dpo_ray.search.pump import EventPump
from dpo_ray.search.rung_book import rung_book
from dpo_ray.search.tuner import SearchParts, run_search
from dpo_ray.slots.pool import SlotPool
from dpo_ray.slots.rehearsal import RehearsalShape, RehearsalSlot
from dpo_ray.slots.rehearsal_metrics import reference_metrics
from dpo_ray.tracking import records
from dpo_ray.tracking.earlier import JOURNAL, earlier_records
from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.state import SweepState, fold
from dpo_ray.training.jobs import ModelSpec, TrialJob

NOTHING = Path("nothing-is-read-here")
"""Stands for model and data."""


def rehearse(
    plan: Plan,
    shape: RehearsalShape | None = None,
    listen: Callable[[records.AnyRecord], None] = lambda _: None,
) -> SweepState:
    """Run a plan's search over slots that rehearse, and return what its journal then says.

    The journal is the one in the plan's folder, gone on with, or a new one; `listen` is told what
    is added. Needs a connected Ray; `shape` says how long trials take and which of them fail.

    Raises:
        DpoRayError: the search ended early, as a real one would.
    """
    path, earlier = plan.folder / JOURNAL, earlier_records(plan.folder)
    journal = Journal.reopen(path) if earlier else Journal.create(path)
    journal.subscribe(listen)
    first, *others = opening_lines(plan)
    facts = first.model_dump(include={"plan", "host", "pid", "versions"})
    for line in [records.SweepResumed(**facts)] if earlier else [first, *others]:
        journal.append(line)
    past = fold(earlier)
    settle(journal, past, rung_book(plan.sweep, plan.trials, past))
    try:
        rehearse_search(plan, journal, shape)
    finally:
        journal.close()
    return fold(read_journal(journal.path))


def rehearse_search(plan: Plan, journal: Journal, shape: RehearsalShape | None = None) -> None:
    """Run a plan's search over slots that rehearse, as far as its journal lacks it.

    Raises:
        DpoRayError: the search ended early, as a real one would.
    """
    progress = Progress(plan.sweep.budget)
    slots = min(plan.sweep.search.concurrent, plan.trials)
    meter = Meter(plan.sweep, fold(read_journal(journal.path)), slots)
    journal.subscribe(meter)
    with (
        tempfile.TemporaryDirectory(prefix="dpo-ray-") as scratch,
        SlotPool(plan.name, slots, shape or RehearsalShape(), actor=RehearsalSlot) as pool,
        EventPump(pool.slots, journal, progress.note, successor=pool.replace) as pump,
    ):
        template = template_of(plan)
        parts = SearchParts(plan, pool, pump, template, journal, progress, meter, Path(scratch))
        run_search(parts)


def opening_lines(plan: Plan) -> list[records.AnyRecord]:
    """Return what a journal says before its first trial."""
    planned = records.SweepPlanned(
        name=plan.name, plan=plan.to_dict(), host=socket.gethostname(), pid=os.getpid(), versions={}
    )
    prepared = records.Prepared(
        rows={}, hashes={}, reused=True, seconds=0.0, reference=reference_metrics()
    )
    return [planned, prepared]


def template_of(plan: Plan) -> TrialJob:
    """Return what a plan's trials have in common, without a model or data."""
    return TrialJob(
        model=ModelSpec(NOTHING, plan.sweep.model.dtype),
        prepared=Prepared(NOTHING, NOTHING, NOTHING, NOTHING),
        training=plan.sweep.training,
        evaluation=plan.sweep.evaluation,
        max_length=plan.sweep.data.max_length,
        folder=plan.folder / "trials",
    )
