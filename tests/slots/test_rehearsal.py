"""A slot that rehearses keeps the contract of one that trains."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from dpo_ray.config.evaluation import EvaluationConfig
from dpo_ray.config.reference import SftConfig
from dpo_ray.config.training import TrainingConfig
from dpo_ray.data.prepared import Prepared
from dpo_ray.slots.events import Ended, Logged, Started, Warm
from dpo_ray.slots.rehearsal import EPOCH, RehearsalShape, RehearsalSlot, steps_told
from dpo_ray.tracking.journal import read_journal
from dpo_ray.training.jobs import ModelSpec, SftJob, TrialJob

NOWHERE = Path("/nowhere")
JOB = TrialJob(
    model=ModelSpec(NOWHERE, "float32"),
    prepared=Prepared(NOWHERE, NOWHERE, NOWHERE, NOWHERE),
    training=TrainingConfig(max_steps=20),
    evaluation=EvaluationConfig(at=[0.25, 0.5, 1.0]),
    max_length=512,
    folder=NOWHERE,
    trial=7,
)
EXAMPLE = Path(__file__).parents[1] / "report" / "example.journal.jsonl"


def rehearsed(*jobs, verdicts=None, **shape):
    """Do the jobs one after another; return each one's rungs and outcome, and all events."""

    async def conversation():
        slot = RehearsalSlot("slot", RehearsalShape(**shape))
        await slot.open()
        await slot.wait_warm()
        found = []
        for job in jobs:
            job_id, rungs = await slot.start(job), []
            while (turn := await slot.next_turn()).outcome is None:
                rungs.append(turn)
                await slot.decide(job_id, (verdicts or {}).get(turn.step, "continue"))
            found.append((rungs, turn.outcome))
        events = await slot.events(0, 0.0)
        await slot.close()
        while await slot.running():
            await asyncio.sleep(0.01)
        return found, events

    return asyncio.run(asyncio.wait_for(conversation(), 20))


def steps(rungs):
    return [turn.step for turn in rungs]


def configured(**training):
    return replace(JOB, training=TrainingConfig(max_steps=20, **training))


def test_a_trial_reports_every_rung_and_ends_after_its_last_step():
    [(rungs, outcome)], events = rehearsed(JOB)
    assert [(turn.step, turn.fraction) for turn in rungs] == [(5, 0.25), (10, 0.5), (20, 1.0)]
    assert (outcome.state, outcome.step) == ("COMPLETED", 20)
    assert [type(event) for event in events] == [Warm, Started, *[Logged] * 4, Ended]
    assert [event.step for event in events if isinstance(event, Logged)] == [5, 10, 15, 20]


def test_its_metrics_have_the_names_that_real_ones_have():
    [(rungs, _)], _ = rehearsed(JOB)
    real = {
        name for record in read_journal(EXAMPLE) if record.kind == "rung" for name in record.metrics
    }
    assert real <= set(rungs[-1].metrics)


def test_a_verdict_stops_it_at_its_rung():
    [(rungs, outcome)], _ = rehearsed(JOB, verdicts={10: "stop"})
    assert steps(rungs) == [5, 10]
    assert (outcome.state, outcome.step) == ("STOPPED", 10)


def test_the_same_trial_reports_the_same_again_and_another_seed_something_else():
    [(once, _), (again, _)], _ = rehearsed(JOB, JOB)
    [(other, _)], _ = rehearsed(configured(seed=1))
    values = [[turn.metrics["eval/win_rate"] for turn in rungs] for rungs in (once, again, other)]
    assert values[0] == values[1] != values[2]


def test_a_larger_learning_rate_moves_the_policy_further_and_a_larger_beta_less():
    def kl(**training):
        [(rungs, _)], _ = rehearsed(configured(**training))
        return rungs[-1].metrics["eval/kl"]

    assert kl(learning_rate=5e-4) < kl(learning_rate=2e-3) < kl(learning_rate=8e-3)
    assert kl(beta=0.5) < kl(beta=0.1)


@pytest.mark.parametrize(("share", "reached"), [(0.0, []), (0.5, [5, 10])])
def test_a_trial_that_is_to_fail_does_and_the_next_one_is_none_the_worse(share, reached):
    found, _ = rehearsed(JOB, replace(JOB, trial=8), fails={7: share})
    (rungs, failed), (_, after) = found
    assert (steps(rungs), failed.state) == (reached, "FAILED")
    assert after.state == "COMPLETED"


def test_a_cancel_ends_the_trial_at_its_next_step():
    async def conversation():
        slot = RehearsalSlot("slot", RehearsalShape())
        await slot.open()
        await slot.start(JOB)
        await slot.next_turn()
        await slot.cancel()
        return (await slot.next_turn()).outcome

    outcome = asyncio.run(asyncio.wait_for(conversation(), 20))
    assert (outcome.state, outcome.step) == ("KILLED", 5)


def test_a_trial_that_hangs_is_deaf_to_a_cancel_and_goes_home_with_its_slot():
    async def conversation():
        slot = RehearsalSlot("slot", RehearsalShape(hangs={7: 0.25}))
        await slot.open()
        job_id = await slot.start(JOB)
        turn = await slot.next_turn()
        await slot.decide(job_id, "continue")
        await asyncio.sleep(0.1)  # it goes on, and falls silent
        await slot.cancel()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(slot.next_turn(), 0.2)
        await slot.close()
        await slot.wait_idle()
        return turn.step

    assert asyncio.run(asyncio.wait_for(conversation(), 20)) == 5


def test_a_resumed_trial_tells_nothing_twice():
    told = replace(JOB, resume=True, seen_rung=10, seen_log=10)
    [(rungs, outcome)], events = rehearsed(told)
    assert (steps(rungs), outcome.state) == ([20], "COMPLETED")
    assert [event.step for event in events if isinstance(event, Started | Logged)] == [10, 15, 20]


def test_a_trial_may_have_an_end_of_its_own_and_no_evaluation():
    [(stopped, outcome), (blind, _)], _ = rehearsed(
        replace(JOB, stop_at=10), replace(JOB, evaluate=False)
    )
    assert (steps(stopped), outcome.step) == ([10], 10)
    assert [turn.metrics for turn in blind] == [{}, {}, {}]


def test_epochs_have_a_length_of_their_own():
    [(rungs, _)], _ = rehearsed(replace(JOB, training=TrainingConfig(epochs=0.5)))
    assert rungs[-1].step == EPOCH / 2
    assert steps_told(JOB, 20, after=10) == [15, 20]


def test_only_trials_are_rehearsed():
    job = SftJob(ModelSpec(NOWHERE, "float32"), NOWHERE, SftConfig(), 512, NOWHERE)
    [(_, outcome)], _ = rehearsed(job)
    assert outcome.state == "FAILED"
    assert "takes trials only, got a SftJob" in outcome.reason


def test_a_cold_slot_takes_longer_over_its_first_trial_alone():
    async def conversation():
        slot = RehearsalSlot("slot", RehearsalShape(cold_s=0.5))
        await slot.open()
        took = []
        for _ in range(2):
            began = asyncio.get_running_loop().time()
            job_id = await slot.start(JOB)
            await slot.next_turn()
            took.append(asyncio.get_running_loop().time() - began)
            await slot.decide(job_id, "stop")
            await slot.next_turn()
        return took

    first, second = asyncio.run(asyncio.wait_for(conversation(), 20))
    assert first >= 0.5 > second
