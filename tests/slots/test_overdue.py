"""When a trial has taken too long or says nothing, decided from facts alone."""

import asyncio
from dataclasses import replace

import pytest

from dpo_ray.slots.mailbox import SlotMailbox
from dpo_ray.slots.overdue import LEAVE_S, Vitals, overdue
from dpo_ray.training.jobs import Outcome
from tests.slots.test_mailbox import JOB

VITALS = Vitals(1, began=100.0, sign=150.0, trial_s=60.0, silent_s=20.0)


@pytest.mark.parametrize(
    ("now", "act"), [(160.0, None), (165.0, "leave"), (171.0, "kill")], ids=str
)
def test_its_time_and_its_silence_have_limits(now, act):
    found = overdue(VITALS, now)
    assert (found and found.act) == act


def test_a_silent_trial_is_told_apart_from_a_slow_one():
    assert (
        overdue(VITALS, 171.0).reason
        == "hung: no sign of progress for 21 s; budget.silent_minutes=0.333333"
    )
    assert (
        overdue(replace(VITALS, sign=161.0), 162.0).reason
        == "timeout: not done after 62 s; budget.trial_minutes=1"
    )


def test_whoever_waits_for_a_verdict_need_not_say_anything():
    waiting = replace(VITALS, waiting=True, trial_s=None)
    assert overdue(waiting, 1e6) is None


def test_without_limits_nothing_is_overdue():
    assert overdue(replace(VITALS, trial_s=None, silent_s=None), 1e6) is None


def test_a_trial_that_was_told_to_leave_has_a_while_for_it():
    told = replace(VITALS, told=165.0, silent_s=None)
    assert overdue(told, 165.0 + LEAVE_S) is None
    late = overdue(told, 166.0 + LEAVE_S)
    assert (late.act, late.reason) == (
        "kill",
        "timeout: not done after 96 s, nor to be told; budget.trial_minutes=1",
    )


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def run(conversation):
    clock = Clock()
    box = SlotMailbox("slot", clock)
    return asyncio.run(asyncio.wait_for(conversation(box, clock), 10))


@pytest.mark.parametrize(
    "sign",
    [
        lambda box: box.started(1, 8),
        lambda box: box.log(1, 1, {}),
        lambda box: box.wrote(1, "examples.parquet", ""),
        lambda box: box.poll(1),
        lambda box: box.next_job(0),
        lambda box: box.decide(1, "continue"),
    ],
    ids=["started", "log", "wrote", "poll", "next_job", "verdict"],
)
def test_everything_said_is_a_sign_of_life(sign):
    async def conversation(box, clock):
        await box.start(JOB)
        await box.next_job(0)
        waiting = asyncio.create_task(box.report(1, 4, 0.5, {}))
        await asyncio.sleep(0)
        clock.now = 7.0
        before = box.vitals
        await sign(box)
        waiting.cancel()
        return before, box.vitals

    before, after = run(conversation)
    assert (before.sign, after.sign) == (0.0, 7.0)
    assert before.waiting


def test_cold_workers_are_not_overdue():
    async def conversation(box, clock):
        await box.start(replace(JOB, trial_s=5.0))
        clock.now = 100.0
        cold = box.vitals
        await box.next_job(0)
        return cold, box.vitals

    cold, warm = run(conversation)
    assert cold is None
    assert (warm.began, warm.trial_s) == (100.0, 5.0)


def test_a_trial_that_is_timed_out_hears_of_it_at_its_next_poll_or_rung():
    async def conversation(box, clock):
        await box.start(JOB)
        await box.next_job(0)
        report = asyncio.create_task(box.report(1, 4, 0.5, {}))
        await box.next_turn()
        clock.now = 3.0
        await box.time_out()
        return await report, await box.poll(1), box.vitals.told

    assert run(conversation) == ("timeout", "timeout", 3.0)


def test_what_killed_workers_said_late_is_not_the_next_trials():
    async def conversation(box, clock):
        first = await box.start(JOB)
        await box.next_job(0)
        await box.log(first, 5, {})
        await box.fail(first, "hung: no sign of progress for 21 s")
        outcome = (await box.next_turn()).outcome
        await box.start(replace(JOB, trial=8))
        said = len(await box.events(0, 0.0))
        await box.log(first, 6, {})
        await box.wrote(first, "examples.parquet", "")
        await box.finish(first, Outcome("COMPLETED", "ran all its steps"))
        late = await box.poll(first), await box.report(first, 8, 1.0, {})
        return outcome, late, len(await box.events(0, 0.0)) - said

    outcome, late, more = run(conversation)
    assert (outcome.state, outcome.step) == ("FAILED", 5)
    assert outcome.reason == "hung: no sign of progress for 21 s"
    assert late == ("cancel", "cancel")
    assert more == 0


def test_a_resumed_trial_tells_nothing_that_the_journal_has():
    async def conversation(box, clock):
        await box.start(replace(JOB, resume=True, seen_log=3, seen_rung=4))
        handed = await box.next_job(0)
        await box.started(1, 8, step=2)
        for step in (3, 4):
            await box.log(1, step, {})
        known = await box.report(1, 4, 0.5, {})
        new = asyncio.create_task(box.report(1, 8, 1.0, {}))
        turn = await box.next_turn()
        await box.decide(1, "continue")
        await new
        return handed, known, turn, await box.events(0, 0.0)

    handed, known, turn, (_, started, logged) = run(conversation)
    assert (handed.job.resume, known, turn.step) == (True, "continue", 8)
    assert (started.step, logged.step) == (2, 4)


def test_a_restarted_group_goes_on_with_its_job_and_hears_the_verdict_it_died_waiting_for():
    async def conversation(box, clock):
        await box.start(JOB)
        first = await box.next_job(0)
        dead = asyncio.create_task(box.report(1, 4, 0.5, {}))
        await box.next_turn()
        dead.cancel()
        second = await box.next_job(0)
        again = asyncio.create_task(box.report(1, 4, 0.5, {}))
        await asyncio.sleep(0)
        assert not again.done()
        await box.decide(1, "stop")
        return first.job.resume, second.job.resume, await again

    assert run(conversation) == (False, True, "stop")
