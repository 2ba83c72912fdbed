"""The mailbox's protocol, in one event loop, without Ray."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from dpo_ray.config.data import DataConfig
from dpo_ray.config.evaluation import EvaluationConfig
from dpo_ray.config.reference import SftConfig
from dpo_ray.config.training import TrainingConfig
from dpo_ray.data.prepared import Prepared
from dpo_ray.slots.events import (
    Cold,
    Ended,
    Logged,
    SftEnded,
    SftLogged,
    SftStarted,
    Started,
    Warm,
)
from dpo_ray.slots.mailbox import SlotMailbox
from dpo_ray.training.jobs import JoinJob, ModelSpec, Outcome, Preparation, SftJob, Texts, TrialJob

NOWHERE = Path("/nowhere")
JOB = TrialJob(
    model=ModelSpec(NOWHERE, "float32"),
    prepared=Prepared(NOWHERE, NOWHERE, NOWHERE, NOWHERE),
    training=TrainingConfig(),
    evaluation=EvaluationConfig(),
    max_length=512,
    folder=NOWHERE,
    trial=7,
)
SFT = SftJob(ModelSpec(NOWHERE, "float32"), NOWHERE, SftConfig(), 512, NOWHERE)
JOIN = JoinJob(
    Preparation(JOB.model, NOWHERE, JOB.prepared, DataConfig(source="x"), JOB.evaluation), "tokens"
)
DONE = Outcome("COMPLETED", "ran all its steps", step=8)


def run(conversation):
    return asyncio.run(asyncio.wait_for(conversation(SlotMailbox("slot")), 10))


def test_a_job_is_handed_to_the_workers_and_its_end_to_the_holder():
    async def conversation(box):
        job_id = await box.start(JOB)
        handed = await box.next_job(0)
        await box.finish(job_id, DONE)
        return handed, await box.next_turn()

    handed, turn = run(conversation)
    assert (handed.job_id, handed.job) == (1, JOB)
    assert turn.outcome == DONE


@pytest.mark.parametrize("verdict", ["continue", "stop"])
def test_a_rung_waits_for_its_verdict(verdict):
    async def conversation(box):
        job_id = await box.start(JOB)
        await box.next_job(0)
        report = asyncio.create_task(box.report(job_id, 4, 0.5, {"eval/kl": 1.0}))
        turn = await box.next_turn()
        assert not report.done()
        await box.decide(job_id, verdict)
        return turn, await report

    turn, answer = run(conversation)
    assert (turn.step, turn.fraction, turn.metrics) == (4, 0.5, {"eval/kl": 1.0})
    assert answer == verdict


def test_a_cancel_reaches_a_waiting_rung_and_every_later_poll():
    async def conversation(box):
        job_id = await box.start(JOB)
        await box.next_job(0)
        report = asyncio.create_task(box.report(job_id, 4, 0.5, {}))
        await box.next_turn()
        await box.cancel()
        return await report, await box.poll(job_id), await box.report(job_id, 8, 1.0, {})

    assert run(conversation) == ("cancel", "cancel", "cancel")


def test_a_job_that_no_worker_has_taken_is_over_with_its_cancel():
    async def conversation(box):
        await box.start(JOB)
        await box.cancel()
        return await box.next_turn()

    outcome = run(conversation).outcome
    assert (outcome.state, outcome.reason) == ("KILLED", "cancelled before it began")


def test_a_verdict_for_an_older_job_is_ignored():
    async def conversation(box):
        first = await box.start(JOB)
        await box.finish(first, DONE)
        second = await box.start(JOB)
        report = asyncio.create_task(box.report(second, 4, 0.5, {}))
        await box.next_turn()
        await box.decide(first, "stop")
        await asyncio.sleep(0)
        assert not report.done()
        await box.decide(second, "continue")
        return await report

    assert run(conversation) == "continue"


def test_the_next_job_starts_only_when_the_one_before_is_home():
    async def conversation(box):
        job_id = await box.start(JOB)
        second = asyncio.create_task(box.start(JOB))
        await asyncio.sleep(0.01)
        assert not second.done()
        await box.finish(job_id, DONE)
        return await second

    assert run(conversation) == 2


@pytest.mark.parametrize(
    ("retries", "reason"),
    [(0, "its worker died once"), (1, "its worker died 2 times"), (2, "its worker died 3 times")],
)
def test_a_restarted_group_gets_the_same_job_again_until_the_trial_fails(retries, reason):
    async def conversation(box):
        await box.start(replace(JOB, retries=retries))
        handed = [await box.next_job(0) for _ in range(1 + retries)]
        after = await box.next_job(0)
        return handed, after, await box.next_turn()

    handed, after, turn = run(conversation)
    assert [each.job_id for each in handed] == [1] * (1 + retries)
    assert after.job is None
    assert (turn.outcome.state, turn.outcome.reason) == ("FAILED", reason)


def test_what_a_restarted_group_reports_again_is_not_passed_on_twice():
    async def conversation(box):
        job_id = await box.start(JOB)
        for _ in range(2):
            await box.next_job(0)
            await box.started(job_id, 8)
            await box.started(job_id, 8)  # with half as many pairs, in the same worker
            await box.log(job_id, 1, {"train/loss": 0.7})
            report = asyncio.create_task(box.report(job_id, 4, 0.5, {}))
            await asyncio.sleep(0)
            await box.decide(job_id, "continue")
            assert await report == "continue"
        await box.finish(job_id, DONE)
        return await box.events(0, 0.1)

    told = run(conversation)
    assert [type(event) for event in told] == [Warm, Started, Logged, Started, Ended]
    assert [each.job.resume for each in told if isinstance(each, Started)] == [False, True]


def test_a_trial_that_breaks_before_its_first_step_has_a_beginning():
    async def conversation(box):
        job_id = await box.start(JOB)
        await box.finish(job_id, Outcome("FAILED", "no such layer"))
        return await box.events(0, 0.1)

    started, ended = run(conversation)
    assert (started.job.trial, started.total_steps) == (7, 0)
    assert ended.outcome.reason == "no such layer"


def test_a_fine_tuning_tells_of_itself_in_events_of_its_own():
    async def conversation(box):
        job_id = await box.start(SFT)
        for _ in range(2):  # its workers died once
            await box.next_job(0)
            await box.started(job_id, 60, Texts(used=158, cut=2, left_out=1))
            await box.log(job_id, 1, {"train/loss": 3.2})
        await box.finish(job_id, DONE)
        return await box.events(0, 0.1)

    assert run(conversation) == [
        Warm(),
        SftStarted(SFT, "slot", 60, Texts(used=158, cut=2, left_out=1)),
        SftLogged(1, {"train/loss": 3.2}),
        SftEnded(DONE),
    ]


def test_a_fine_tuning_that_breaks_before_its_first_step_has_a_beginning():
    async def conversation(box):
        job_id = await box.start(SFT)
        await box.finish(job_id, Outcome("FAILED", "no memory"))
        return await box.events(0, 0.1)

    started, ended = run(conversation)
    assert (started.total_steps, started.texts) == (0, Texts())
    assert ended.outcome.reason == "no memory"


def test_a_job_of_the_preparation_has_no_events_of_its_own():
    async def conversation(box):
        job_id = await box.start(JOIN)
        await box.next_job(0)
        await box.finish(job_id, DONE)
        return await box.events(0, 0.0), await box.next_turn()

    events, turn = run(conversation)
    assert events == [Warm()]
    assert turn.outcome == DONE


def test_events_are_read_from_any_number_on():
    async def conversation(box):
        job_id = await box.start(JOB)
        for step in (1, 2, 3):
            await box.log(job_id, step, {})
        return await box.events(1, 0.0), await box.events(3, 0.05)

    later, none = run(conversation)
    assert [event.step for event in later] == [2, 3]
    assert none == []


def test_a_group_that_is_gone_fails_the_running_job_and_every_later_one():
    async def conversation(box):
        await box.start(JOB)
        await box.break_down("its node is gone")
        first = await box.next_turn()
        await box.start(JOB)
        return first.outcome, (await box.next_turn()).outcome

    for outcome in run(conversation):
        assert (outcome.state, outcome.reason) == ("FAILED", "its node is gone")
        assert outcome.fatal == "workers"


def test_a_closed_slot_sends_its_workers_home_after_the_job():
    async def conversation(box):
        job_id = await box.start(JOB)
        await box.close()
        working = await box.next_job(0)
        await box.finish(job_id, DONE)
        return working, await box.next_job(1)

    working, home = run(conversation)
    assert (working.closed, home.closed) == (False, True)


def test_a_slot_that_loses_its_workers_hands_its_trial_on_and_is_warm_no_more():
    async def conversation(box):
        job_id = await box.start(JOB)
        await box.next_job(0)
        await box.started(job_id, 60)
        await box.log(job_id, 10, {"train/loss": 0.5})
        report = asyncio.create_task(box.report(job_id, 15, 0.25, {"eval/kl": 1.0}))
        await box.next_turn()
        await box.decide(job_id, "continue")
        await report
        await box.cool("its node left")
        turn = await box.next_turn()
        warming = asyncio.create_task(box.wait_warm())
        await asyncio.sleep(0)
        was_cold = not warming.done()
        await asyncio.gather(box.start(JOB), warming, box.next_job(0))
        return turn, was_cold, await box.poll(job_id), await box.events(0, 0.0)

    turn, was_cold, late, events = run(conversation)
    outcome = turn.outcome
    assert (outcome.state, outcome.reason, outcome.step) == ("KILLED", "its node left", 15)
    assert turn.again == replace(JOB, resume=True, seen_rung=15, seen_log=10)
    assert was_cold
    assert late == "cancel"  # whoever still worked on it is not heard
    kinds = [type(each) for each in events]
    assert kinds[:6] == [Warm, Started, Logged, Cold, Ended, Warm]


def test_a_restarted_group_is_told_the_rungs_that_are_known():
    """Its checkpoint at a rung was written after the verdict, so it is not evaluated again."""

    async def conversation(box):
        job_id = await box.start(JOB)
        await box.next_job(0)
        report = asyncio.create_task(box.report(job_id, 15, 0.25, {}))
        await box.next_turn()
        await box.decide(job_id, "continue")
        await report
        return await box.next_job(0)

    assert run(conversation).job == replace(JOB, resume=True, seen_rung=15)


def test_a_trial_whose_holder_died_at_a_rung_leaves_and_the_next_one_is_not_told_to():
    async def conversation(box):
        job_id = await box.start(JOB)
        await box.next_job(0)
        report = asyncio.create_task(box.report(job_id, 15, 0.25, {}))
        await box.next_turn()
        second = asyncio.create_task(box.start(replace(JOB, trial=JOB.trial + 1)))
        await asyncio.sleep(0)
        await box.abandon(JOB.trial + 1, "another trial's")
        assert not report.done()
        await box.abandon(JOB.trial, "its holder died")
        ended, next_id = await box.next_turn(), await second
        return ended.outcome, await report, await box.poll(next_id)

    outcome, told, later = run(conversation)
    assert (outcome.state, outcome.reason, outcome.step) == ("FAILED", "its holder died", 15)
    assert (told, later) == ("cancel", "continue")


def test_a_slot_without_a_job_only_cools_down():
    async def conversation(box):
        await box.cool("its node left")
        return await box.events(0, 0.0)

    assert run(conversation) == [Cold("its node left")]


def test_workers_that_left_with_their_node_do_not_count_as_a_death():
    async def conversation(box):
        await box.start(JOB)
        for _ in range(JOB.retries + 3):
            await box.next_job(0)
            await box.forgive()
        return await box.events(0, 0.0)

    assert run(conversation) == [Warm()]
