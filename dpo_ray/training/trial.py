"""One trial: begun, or gone on with; once more with less memory where it must."""

import time
from dataclasses import replace

import torch

from dpo_ray.data.trial_files import clear_trial
from dpo_ray.ranks import Ranks
from dpo_ray.training.attempt import attempt
from dpo_ray.training.desk import Desk
from dpo_ray.training.jobs import Outcome, TrialJob
from dpo_ray.training.mailbox import Mailbox
from dpo_ray.training.memory import halved, is_marked, mark, micro_batch, out_of_memory


class OutOfMemory(RuntimeError):
    """Memory ran out on one rank of several: their group must start anew."""


def run_trial(job: TrialJob, job_id: int, desk: Desk, mailbox: Mailbox) -> Outcome:
    """Run `job` on every rank of the desk's group and say how it ended. Collective.

    Where memory runs out it is run from its beginning with half as many pairs at a time. Alone a
    worker does that at once; several come here again, as another group that finds the mark. The
    last checkpoint stays: until the journal has the end, somebody may have to come to it again.

    Raises:
        OutOfMemory: as an order for a new group.
    """
    began, ranks = time.time(), desk.ranks
    if ranks.first and not job.resume:
        clear_trial(job.folder)
    outcome = _within_memory(job, job_id, desk, mailbox)
    return replace(outcome, seconds=time.time() - began)


def _within_memory(job: TrialJob, job_id: int, desk: Desk, mailbox: Mailbox) -> Outcome:
    ranks = desk.ranks
    while True:
        tight = ranks.agree(is_marked(job))
        smaller = halved(job, ranks.world)
        now = smaller if tight and smaller is not None else job
        outcome = attempt(now, job_id, desk, mailbox)
        if outcome is not None:
            return _told(outcome, job, now, ranks.world)
        _make_room(desk)
        if now != job or smaller is None:
            reason = out_of_memory(job, now, ranks.world)
            return _gave_up(reason, job_id, ranks, mailbox)
        mark(job)
        if ranks.world > 1:
            raise OutOfMemory(out_of_memory(job, now, ranks.world))


def _make_room(desk: Desk) -> None:
    desk.forget_model()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _told(outcome: Outcome, job: TrialJob, now: TrialJob, world: int) -> Outcome:
    if now == job:
        return outcome
    pairs = micro_batch(now, world)
    reason = f"{outcome.reason}; {out_of_memory(job, job, world)}, so {pairs}"
    return replace(outcome, reason=reason, timings={**outcome.timings, "micro_batch": float(pairs)})


def _gave_up(reason: str, job_id: int, ranks: Ranks, mailbox: Mailbox) -> Outcome:
    outcome = Outcome("FAILED", reason)
    if ranks.world > 1:
        # From whichever rank: a next group would fail alike, and people are to know why.
        mailbox.finish(job_id, outcome)
        raise OutOfMemory(reason)
    return outcome
