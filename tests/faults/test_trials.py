"""What befalls one trial: it alone fails, or goes on as if nothing had been, and the others too."""

import json
from pathlib import Path

import pytest

from tests.faults.invariants import hold
from tests.faults.judges import (
    BROKEN,
    EXHAUSTED,
    KILLED,
    KILLED_ONCE,
    NOTES,
    SPOILT,
    UNHARMED,
)
from tests.faults.life import TWINS, Sweep

pytestmark = [pytest.mark.slow, pytest.mark.cluster_last]
WITHIN_S = 240.0
CONTROL = 0


def twins(count):
    """Return a sweep's settings with so many trials that differ in nothing but their number."""
    first = ", ".join(f"{{max_grad_norm: {1001 + place}}}" for place in range(count - 1))
    return (
        f"search.trials={count}",
        f"search.try_first=[{first}]",
        "search.scheduler.type=none",
        "training.max_grad_norm=1000",
        "training.max_steps=16",
        "training.checkpoint_steps=3",
        "evaluation.at=[0.25, 0.5, 1.0]",
    )


@pytest.fixture(scope="module")
def many(alone, place):
    """A sweep whose trials meet a fault each."""
    settings = (
        *twins(7),
        "budget.failures=9",
        "budget.retries=2",
        "evaluation.judge={type: reward, function: 'tests.faults.judges:many'}",
    )
    sweep = Sweep(place, "many", settings, space=TWINS)
    ended = sweep.run(WITHIN_S)
    return sweep, hold(sweep, ended, code=0, within_s=WITHIN_S)


def judged(sweep, trial):
    """Return the trial's evaluations, with the process each was made in."""
    lines = (sweep.folder / "trials" / NOTES).read_text().splitlines()
    return [note for note in map(json.loads, lines) if note["trial"] == trial]


def learned(sweep, trial):
    """Return all numbers of a trial's training, and the bytes it ended with."""
    told = [(r.step, r.metrics) for r in sweep.records if r.kind == "train" and r.trial == trial]
    row = sweep.state.trials[trial]
    return told, [rung.metrics for rung in row.rungs], weights(row)


def weights(row):
    return (Path(row.adapter) / "adapter_model.safetensors").read_bytes()


def slot_free_again(sweep, trial):
    """Return the seconds from the last evaluation of a trial to its slot's next start."""
    struck = judged(sweep, trial)[-1]["time"]
    slot = sweep.state.trials[trial].slot
    began = [r.time for r in sweep.records if r.kind == "trial_started" and r.slot == slot]
    return min((each for each in began if each > struck), default=sweep.records[-1].time) - struck


@pytest.mark.injects("a judge writes NaN into a LoRA weight after step 4")
def test_fault_02_numbers_that_are_none_fail_their_trial(many, recovered):
    sweep, state = many
    row = state.trials[SPOILT]
    assert row.status == "FAILED"
    assert row.reason.startswith("non-finite at step 5: ")
    assert "train/loss" in row.train
    assert all(r.metrics["train/loss"] > 0 for r in sweep.records if r.kind == "train")
    assert state.ended.best != SPOILT
    recovered(slot_free_again(sweep, SPOILT))


@pytest.mark.injects("a forward pass asks the CPU's allocator for 4 PiB, whatever the batch")
def test_fault_09_a_trial_out_of_memory_fails_alone(many, recovered):
    sweep, state = many
    row = state.trials[EXHAUSTED]
    assert (row.status, row.reason) == (
        "FAILED",
        "out of memory: with 16 pairs at a time, and with 8",
    )
    assert len(judged(sweep, EXHAUSTED)) == 2
    assert learned(sweep, UNHARMED) == learned(sweep, CONTROL)
    recovered(slot_free_again(sweep, EXHAUSTED))


@pytest.mark.injects("kill -9 of the Ray Train worker at step 8, two steps after a checkpoint")
def test_fault_10_a_killed_worker_goes_on_from_its_checkpoint(many, recovered):
    sweep, _ = many
    before, struck, again, *later = judged(sweep, KILLED_ONCE)
    assert [each["step"] for each in (before, struck, again, *later)] == [4, 8, 8, 16]
    assert before["pid"] == struck["pid"] != again["pid"]
    assert learned(sweep, KILLED_ONCE) == learned(sweep, CONTROL)
    recovered(again["time"] - struck["time"])


@pytest.mark.injects("a judge gives every answer 1,000 at step 4 and raises at step 8")
def test_fault_18_a_failed_trial_with_the_best_value_is_not_the_best(many):
    _, state = many
    row = state.trials[BROKEN]
    assert row.status == "FAILED"
    assert row.rungs[0].metrics["eval/win_rate"] == 1.0
    completed = {each.number for each in state.with_status("COMPLETED")}
    assert state.ended.best in completed
    assert state.recommended.trial in completed


@pytest.mark.injects("kill -9 of the worker at step 4 of every attempt; budget.retries=2")
def test_fault_19_a_crash_loop_ends_after_as_many_attempts_as_are_allowed(many, recovered):
    sweep, state = many
    row = state.trials[KILLED]
    assert (row.status, row.reason) == ("FAILED", "its worker died 3 times")
    attempts = judged(sweep, KILLED)
    assert len({each["pid"] for each in attempts}) == len(attempts) == 3
    recovered(slot_free_again(sweep, KILLED))
