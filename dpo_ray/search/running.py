"""The part of a sweep that needs a cluster: from connecting to the last trial's end."""

import getpass
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dpo_ray.cluster.session import cluster_available, joins_a_cluster, ray_session
from dpo_ray.cluster.sight import Watchtower
from dpo_ray.errors import BudgetSpent, ChampionRegressed
from dpo_ray.plan import Plan, check_resources, room_sentence
from dpo_ray.search.ending import shortfall
from dpo_ray.search.getting_ready import get_ready
from dpo_ray.search.going_on import obeyed, settle
from dpo_ray.search.inputs import Inputs
from dpo_ray.search.interruption import interruptible
from dpo_ray.search.meter import Meter
from dpo_ray.search.past import over
from dpo_ray.search.preparation import Screen, trial_template
from dpo_ray.search.progress import Progress
from dpo_ray.search.pump import EventPump
from dpo_ray.search.room import RoomWatch
from dpo_ray.search.rung_book import rung_book
from dpo_ray.search.trial_ends import TrialEnds, tidy_up
from dpo_ray.search.warm_start import learn_once
from dpo_ray.slots.pool import GOING_HOME_S, SlotPool
from dpo_ray.slots.slot import SlotShape
from dpo_ray.tracking.earlier import refuse_other_content
from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.records import ReferenceEnded, SlotsOpened, TrialEnded
from dpo_ray.tracking.state import SweepState, fold
from dpo_ray.training.jobs import Preparation, TrialJob


def prepare_and_search(
    plan: Plan,
    inputs: Inputs,
    journal: Journal,
    screen: Screen,
    meanwhile: Callable[[], None] = lambda: None,
    *,
    evaluate: bool = True,
    open_allowed: bool = False,
) -> None:
    """Open the slots, prepare once, run all trials, and send everybody home.

    `screen` is told what begins and how far it is; `meanwhile` is called while the slots warm up.
    However it ends, every started trial has its end journaled.
    `evaluate=False` measures training alone: rungs are passed without metrics. `open_allowed`: see
    `ray_session`.

    Raises:
        DpoRayError: why the sweep ended early, or that no trial completed.
    """
    progress = Progress(plan.sweep.budget, _room_watch(plan, screen))
    past = fold(read_journal(journal.path))
    meter = Meter(plan.sweep, past, _slots(plan))
    journal.subscribe(meter)
    screen = replace(screen, check=progress.check, hurried=lambda: progress.twice)
    with (
        interruptible(progress, screen.stage),
        tempfile.TemporaryDirectory(prefix="dpo-ray-") as scratch,
    ):
        joins = joins_a_cluster(plan.sweep.cluster.address)
        screen.stage("Joining the Ray cluster" if joins else "Starting Ray")
        # Signals twice: Ray takes SIGTERM for itself when it connects.
        session = ray_session(plan.sweep.cluster.address, open_allowed)
        with session, interruptible(progress, screen.stage):
            tower = Watchtower(plan.store) if joins else None
            try:
                settle(journal, past, rung_book(plan.sweep, plan.trials, past))
                with (
                    _open_slots(plan, Path(scratch), journal, tower) as pool,
                    _pump(pool, journal, progress) as pump,
                ):
                    screen.stage(f"Warming {_slots(plan)} slot{'s' * (_slots(plan) > 1)}")
                    # Seconds of imports, of no use before the slots are on their way.
                    from dpo_ray.search.champion import meet_champion
                    from dpo_ray.search.confirmation import run_confirmation
                    from dpo_ray.search.tuner import SearchParts, run_search

                    meanwhile()
                    if tower is not None:
                        tower.refuse_blind_nodes()
                    check = _both(progress.check, meter, "the preparation")
                    ready = get_ready(
                        inputs, plan.sweep, pool, journal, replace(screen, check=check)
                    )
                    _same_as_before(plan, journal, past)
                    learn_once(plan, journal)
                    pool.wait_warm(progress.check)
                    if over(past) < plan.trials:
                        screen.stage(_announced(plan, past))
                    template = replace(_template(plan, ready.search), evaluate=evaluate)
                    tune_files = Path(scratch)
                    run_search(
                        SearchParts(
                            plan, pool, pump, template, journal, progress, meter, tune_files
                        )
                    )
                    if ready.confirmation is not None and evaluate and _completed(journal):
                        template = _template(plan, ready.confirmation)
                        check = _both(progress.check, meter, "the confirmation")
                        told = replace(screen, check=check)
                        run_confirmation(plan, template, pool, pump, journal, told)
                        if plan.sweep.champion is not None:
                            meet_champion(plan, template, pool, journal, told)
            finally:
                _end_what_is_open(journal)
                tidy_up(fold(read_journal(journal.path)))
                if tower is not None:
                    tower.close()
    end = fold(read_journal(journal.path))
    refuse_regression(end)
    spent = meter.sentence() if meter.search_spent else None
    short = shortfall(len(end.with_status("COMPLETED")), over(end), plan.trials, spent)
    if short is not None:
        raise short


def refuse_regression(state: SweepState) -> None:
    """Raise ChampionRegressed where the confirmed policy is clearly worse than the champion."""
    if state.champion is not None and state.champion.regressed:
        raise ChampionRegressed(f"{state.champion.model}: {state.champion.reason}")


def _announced(plan: Plan, past: SweepState) -> str:
    left = plan.trials - over(past)
    at_once = min(_slots(plan), left)
    return f"Searching: {left} trial{'s' * (left != 1)}, {at_once} at once"


def _both(check: Callable[[], None], meter: Meter, stage: str) -> Callable[[], None]:
    """End a stage for the search's reasons, and where the whole budget is spent."""

    def check_both() -> None:
        check()
        if meter.all_is_over():
            raise BudgetSpent(f"the budget ended during {stage}: {meter.sentence()}")

    return check_both


def _same_as_before(plan: Plan, journal: Journal, past: SweepState) -> None:
    """Refuse to go on where data or model have changed since the sweep's first trials.

    Raises:
        ChangedSweep: they have.
    """
    now = fold(read_journal(journal.path)).prepared
    if past.trials and past.prepared is not None and now is not None:
        trained_on = {k: v for k, v in past.prepared.hashes.items() if not k.startswith("test_")}
        refuse_other_content(plan.name, trained_on, now.hashes)


def _room_watch(plan: Plan, screen: Screen) -> RoomWatch | None:
    """Watch over the slots of a joined cluster: on this machine alone there is always room."""
    own = plan.sweep.cluster
    if not joins_a_cluster(own.address):
        return None
    return RoomWatch(
        own.wait_minutes,
        lambda: room_sentence(plan, cluster_available(own.address)),
        screen.stage,
    )


def _pump(pool: SlotPool, journal: Journal, progress: Progress) -> EventPump:
    ends = TrialEnds(progress.note, journal)
    watch = progress.room or (lambda *_: None)
    return EventPump(pool.slots, journal, ends, watch, pool.replace, progress.give_up)


def _open_slots(plan: Plan, scratch: Path, journal: Journal, tower: Watchtower | None) -> SlotPool:
    # Asked again of Ray itself: where its count is lower than ours, it would wait for ever.
    placement = check_resources(plan, cluster_available(plan.sweep.cluster.address))
    resources = plan.sweep.resources
    shape = SlotShape(
        workers=resources.workers,
        cpus=resources.cpus_per_worker,
        gpus=placement.gpus_per_worker,
        storage=str(scratch / "train"),
        # A cluster of our own ends with the sweep, and everything on it.
        disposable=tower is None,
        custom=resources.custom,
        sight=None if tower is None else tower.sight,
    )
    patience = 0.0 if shape.disposable else GOING_HOME_S
    pool = SlotPool(plan.name, _slots(plan), shape, patience)
    gpus = _slots(plan) * resources.workers * placement.gpus_per_worker
    journal.append(SlotsOpened(slots=_slots(plan), workers=resources.workers, gpus=gpus))
    return pool


def _template(plan: Plan, shared: Preparation) -> TrialJob:
    return trial_template(plan.sweep, shared, plan.folder, _node_cache(plan))


def _completed(journal: Journal) -> bool:
    return bool(fold(read_journal(journal.path)).with_status("COMPLETED"))


def _slots(plan: Plan) -> int:
    return min(plan.sweep.search.concurrent, plan.trials)


def _node_cache(plan: Plan) -> Path | None:
    """Where nodes keep their own copies: on a machine of our own the store is near enough."""
    if plan.sweep.cluster.node_cache is not None:
        return Path(plan.sweep.cluster.node_cache)
    if not joins_a_cluster(plan.sweep.cluster.address):
        return None
    return Path(tempfile.gettempdir()) / f"dpo-ray-{getpass.getuser()}"


def _end_what_is_open(journal: Journal) -> None:
    """Give whatever lost its slot an end: nobody else would."""
    state, reason = fold(read_journal(journal.path)), "the sweep ended while it ran"
    sft = state.sft
    if sft is not None and sft.status == "RUNNING":
        journal.append(ReferenceEnded(state="KILLED", reason=reason, step=sft.step, seconds=0.0))
    for row in state.running:
        killed = TrialEnded(
            trial=row.number, state="KILLED", reason=reason, step=row.step, seconds=0.0
        )
        journal.append(obeyed(row) or killed)
