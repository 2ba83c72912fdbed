"""What a worker says reaches its slot in the order in which it was said."""

import asyncio
import random

import pytest
import ray

from dpo_ray.slots.mailbox import SlotMailbox
from dpo_ray.slots.worker import RemoteMailbox
from dpo_ray.training.jobs import Outcome
from dpo_ray.training.mailbox import MailboxGone
from tests.slots.test_mailbox import JOB

STEPS = 60


class Shuffling(SlotMailbox):
    """A mailbox whose calls begin in any order, as Ray allows those of an asynchronous actor."""

    async def log(self, *said):
        await asyncio.sleep(random.random() / 100)
        await super().log(*said)


def test_no_line_is_lost_between_others_or_to_the_jobs_end(cluster):
    slot = ray.remote(num_cpus=0)(Shuffling).remote("shuffled")
    job_id = ray.get(slot.start.remote(JOB))
    mailbox = RemoteMailbox(slot)
    assert mailbox.next_job(0).job_id == job_id
    mailbox.started(job_id, STEPS)
    for step in range(1, STEPS + 1):
        mailbox.log(job_id, step, {"train/loss": 0.7})
    mailbox.finish(job_id, Outcome("COMPLETED", "ran all its steps", step=STEPS))
    told = [each.step for each in ray.get(slot.events.remote(0, 0.0)) if hasattr(each, "metrics")]
    assert told == list(range(1, STEPS + 1))
    ray.kill(slot)


def log_twice(mailbox):
    """What is told without waiting is missed at the next call."""
    mailbox.log(1, 2, {})
    mailbox.log(1, 3, {})


@pytest.mark.parametrize("say", [lambda mailbox: mailbox.poll(1), log_twice])
def test_a_slot_that_has_died_is_told_apart_from_all_that_may_go_wrong(cluster, say):
    slot = ray.remote(num_cpus=0)(Shuffling).remote("dead")
    job_id = ray.get(slot.start.remote(JOB))
    mailbox = RemoteMailbox(slot)
    assert mailbox.next_job(0).job_id == job_id
    ray.kill(slot)
    with pytest.raises(MailboxGone):
        say(mailbox)
