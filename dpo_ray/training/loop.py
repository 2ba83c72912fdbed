"""What one worker does, job after job, until it is told to go home."""

import time
from dataclasses import replace

from dpo_ray.data.node_copy import on_this_node
from dpo_ray.training.assessing import assess
from dpo_ray.training.desk import Desk
from dpo_ray.training.jobs import AssessJob, Job, JoinJob, Outcome, SftJob, ShardJob, TrialJob
from dpo_ray.training.mailbox import Handed, Mailbox
from dpo_ray.training.prepare import run_preparation
from dpo_ray.training.sft import run_sft
from dpo_ray.training.trial import run_trial


def work(mailbox: Mailbox, desk: Desk) -> None:
    """Take jobs from the mailbox and do them on every rank. Returns when the slot closes.

    Rank 0 waits for a job in slices, so that the other ranks' broadcast never times out.
    """
    last, previous_end = 0, None
    while True:
        handed = desk.ranks.agree(mailbox.next_job(last) if desk.ranks.first else Handed())
        if handed.closed:
            return
        if handed.job is None:
            continue
        last = handed.job_id
        began = time.time()
        outcome = _do(handed.job, last, desk, mailbox)
        if previous_end is not None and "first_step_s" in outcome.timings:
            gap = began + outcome.timings["first_step_s"] - previous_end
            outcome = replace(outcome, timings={**outcome.timings, "gap_s": gap})
        previous_end = began + outcome.seconds
        if desk.ranks.first:
            mailbox.finish(last, outcome)


def _do(job: Job, job_id: int, desk: Desk, mailbox: Mailbox) -> Outcome:
    match job:
        case TrialJob():
            near = replace(job, prepared=on_this_node(job.prepared, job.node_cache))
            return run_trial(near, job_id, desk, mailbox)
        case ShardJob() | JoinJob():
            return run_preparation(job, desk)
        case SftJob():
            return run_sft(job, job_id, desk, mailbox)
        case AssessJob(like=like):
            near = replace(like, prepared=on_this_node(like.prepared, like.node_cache))
            return assess(replace(job, like=near), job_id, desk, mailbox)
