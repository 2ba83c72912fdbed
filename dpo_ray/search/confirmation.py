"""After the search: its best and the default, on fresh seeds and unseen prompts."""

from collections.abc import Collection
from dataclasses import replace

from dpo_ray.data.prepared import distinct_prompts, reference_metrics_of
from dpo_ray.evaluation.confirming import champion, standings
from dpo_ray.plan import Plan
from dpo_ray.report.confirmed import confirmed_metrics, verdict_sentence
from dpo_ray.report.ranking import default_candidate, top_candidates
from dpo_ray.search.answers import trained
from dpo_ray.search.past import is_over
from dpo_ray.search.preparation import Screen
from dpo_ray.search.pump import EventPump
from dpo_ray.slots.events import Turn
from dpo_ray.slots.pool import SlotPool
from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.records import (
    CONFIRMATIONS,
    Candidate,
    CandidateConfirmed,
    ConfirmationPlanned,
    Confirmed,
    RungReached,
)
from dpo_ray.tracking.state import SweepState, fold
from dpo_ray.tracking.trial_row import trial_name
from dpo_ray.training.jobs import TrialJob

FRESH = 1_000
"""Confirmation's seeds begin so far above the search's own."""
ORDER_S = 30.0
CANCEL_S = 30.0


def run_confirmation(
    plan: Plan,
    template: TrialJob,
    pool: SlotPool,
    pump: EventPump,
    journal: Journal,
    screen: Screen,
) -> None:
    """Retrain, judge and journal what came of it; what an earlier run has finished stays done.

    `template` evaluates on the test prompts.

    Raises:
        DpoRayError: the reason to end early, from `screen.check`.
    """
    state = fold(read_journal(journal.path))
    planned = together(state.confirmation, _plan(plan, state, template))
    if planned != state.confirmation:
        journal.append(planned)
    jobs = [_seen(job, state) for job in confirmation_jobs(planned, template, done=_over(state))]
    screen.stage(_announced(planned, len(jobs)))

    def on_rung(slot: str, job: TrialJob, turn: Turn) -> None:
        pump.wait_for(slot, turn.events, ORDER_S)
        journal.append(
            RungReached(
                trial=job.trial, step=turn.step, fraction=turn.fraction, metrics=turn.metrics or {}
            )
        )

    try:
        for _ in pool.run_all(jobs, screen.check, on_rung):
            pass
    finally:
        patience = 0.0 if screen.hurried() else CANCEL_S
        pool.cancel_all(patience)
        pump.catch_up(patience)
    screen.check()
    conclude(journal, planned)


def together(before: ConfirmationPlanned | None, now: ConfirmationPlanned) -> ConfirmationPlanned:
    """Add what a longer search has found to what was confirmed before.

    Earlier candidates keep their numbers and their trainings; all are compared in the end, and
    corrected for as many comparisons.
    """
    if before is None:
        return now
    known = {(each.trial, each.step) for each in before.candidates}
    new = [
        each
        for each in now.candidates
        if (each.trial, each.step) not in known and not each.is_default
    ]
    return before.model_copy(update={"candidates": [*before.candidates, *new]}) if new else before


def conclude(journal: Journal, planned: ConfirmationPlanned) -> None:
    """Compare what was retrained, and journal each candidate's standing and the verdict."""
    state = fold(read_journal(journal.path))
    candidates = [trained(state, number) for number in range(len(planned.candidates))]
    found = standings(candidates)
    for number, (candidate, standing) in enumerate(zip(candidates, found, strict=True)):
        metrics = confirmed_metrics(candidate, standing, state.objective[0])
        journal.append(CandidateConfirmed(candidate=number, metrics=metrics))
    best = champion(candidates, found)
    verdict = verdict_sentence(planned, candidates, found, best, state.objective[0])
    journal.append(Confirmed(champion=best, verdict=verdict))


def confirmation_jobs(
    planned: ConfirmationPlanned, template: TrialJob, done: Collection[int] = ()
) -> list[TrialJob]:
    """Return the trainings that are not `done`: seed after seed, every candidate in turn.

    The schedule is the search's whole one, stopped at the step that was chosen: a shorter one
    would be another configuration. Seed number s is the same for every candidate: order of the
    pairs, first weights of the adapter, and the stream its answers are drawn from.
    """
    jobs = []
    for place, seed in enumerate(planned.seeds):
        for number, candidate in enumerate(planned.candidates):
            trial = CONFIRMATIONS + number * len(planned.seeds) + place
            if trial not in done:
                jobs.append(_job(template, candidate, number, trial, place, seed))
    return jobs


def _job(
    template: TrialJob, candidate: Candidate, number: int, trial: int, place: int, seed: int
) -> TrialJob:
    job = template.configured(trial, candidate.params, "confirmation")
    return replace(
        job,
        training=job.training.model_copy(update={"seed": seed}),
        folder=template.folder / trial_name(trial),
        stop_at=candidate.step,
        stream=place + 1,
        confirms=number,
    )


def _plan(plan: Plan, state: SweepState, template: TrialJob) -> ConfirmationPlanned:
    confirm, seed = plan.sweep.confirm, plan.sweep.training.seed
    assert confirm is not None
    return ConfirmationPlanned(
        candidates=[*top_candidates(state, confirm.top), default_candidate(state)],
        seeds=[(seed + FRESH + place) % 2**32 for place in range(confirm.seeds)],
        prompts=len(distinct_prompts(template.prepared, template.evaluation.prompts)),
        reference=reference_metrics_of(template.prepared),
    )


def _over(state: SweepState) -> list[int]:
    return [number for number, row in state.confirmations.items() if is_over(row)]


def _seen(job: TrialJob, state: SweepState) -> TrialJob:
    """Have a training that was interrupted go on."""
    row = state.confirmations.get(job.trial)
    if row is None:
        return job
    return replace(job, resume=True, seen_log=row.seen_log, seen_rung=row.seen_rung)


def _announced(planned: ConfirmationPlanned, jobs: int) -> str:
    top = len(planned.candidates) - 1
    return (
        f"Confirming the best {top} and the default on {len(planned.seeds)} fresh seeds and "
        f"{planned.prompts} unseen prompts: {jobs} trials"
    )
