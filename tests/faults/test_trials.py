"""What befalls one trial: it alone fails, or goes on as if nothing had been, and the others too."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from dpo_ray.slots.overdue import LEAVE_S
from tests.faults.invariants import hold
from tests.faults.judges import (
    BROKEN,
    EXHAUSTED,
    HALF_ASLEEP,
    KILLED,
    KILLED_ONCE,
    NOTES,
    OVERFLOWN,
    SLEEPING,
    SPOILT,
    UNHARMED,
)
from tests.faults.life import TWINS, Sweep
from tests.faults.mirrored import client_of
from tests.sweeping import ROOT

pytestmark = pytest.mark.cluster_last
MANY_S, FAILING_S = 240.0, 120.0
REFUSED_S = 30.0
CONTROL = 0
TIMES_SLOWER = 4.0
"""Than a trial of one rank is one of two ranks at most that share its cores."""
START_S, RESTART_S = 60.0, 10.0
PAIRS = ROOT / "dpo_ray/demo/assets/pairs.jsonl"


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
    """A sweep whose trials meet a fault each, over a space and pairs that a person may edit."""
    for file, source in ((pairs_of(place), PAIRS), (space_of(place), ROOT / TWINS)):
        file.write_bytes(source.read_bytes())
    settings = (
        *twins(8),
        "budget.failures=9",
        "budget.retries=2",
        "evaluation.judge={type: reward, function: 'tests.faults.judges:many'}",
        f"data.source={pairs_of(place)}",
    )
    sweep = Sweep(place, "many", settings, space=str(space_of(place)))
    return sweep, hold(sweep, sweep.run(), code=0, within_s=MANY_S)


def pairs_of(store):
    return store.parent / "pairs.jsonl"


def space_of(store):
    return store.parent / "space.yaml"


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


@pytest.mark.injects("a loss of inf from step 5 on, its gradients as they were")
def test_fault_02_a_loss_without_end_fails_its_trial(many):
    sweep, state = many
    row = state.trials[OVERFLOWN]
    assert row.status == "FAILED"
    assert row.reason.startswith("non-finite at step 5: ")
    assert "loss" in row.reason
    told = [r for r in sweep.records if r.kind == "train" and r.trial == OVERFLOWN]
    assert [r.step for r in told] == [1, 2, 3, 4]
    assert state.ended.best != OVERFLOWN


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
    resumed = [r for r in sweep.records if r.kind == "trial_resumed" and r.trial == KILLED_ONCE]
    assert [r.step for r in resumed] == [6]
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


@pytest.mark.injects("the same name with other steps or pairs; its own space and pairs edited")
def test_fault_22_a_sweep_that_asks_something_else(many, tmp_path):
    sweep, state = many
    pairs = tmp_path / "pairs.jsonl"
    fewer = b"".join(PAIRS.read_bytes().splitlines(keepends=True)[:100])
    pairs.write_bytes(fewer)
    steps = refused(sweep, "training.max_steps=17")
    assert "sweep.training.max_steps: 16, now 17" in steps
    elsewhere = refused(sweep, f"data.source={pairs}")
    assert f"sweep.data.source: {pairs_of(sweep.store)}, now {pairs}" in elsewhere
    with edited(pairs_of(sweep.store), fewer):
        assert "  data: " in refused(sweep)
    space = space_of(sweep.store)
    with edited(space, space.read_bytes().replace(b"high: 2000", b"high: 3000")):
        assert "space.parameters.max_grad_norm.high: 2000.0, now 3000.0" in refused(sweep)
    assert len(sweep.records) == state.ended.seq + 1


def refused(sweep, *changes):
    """Give the same command, or one that asks for something else; return what was said."""
    other = Sweep(sweep.store, sweep.name, (*sweep.overrides, *changes), space=sweep.space)
    ended = other.run()
    assert ended.code == 2
    assert ended.seconds < REFUSED_S
    assert "asked something else before" in ended.errors
    assert "Traceback" not in ended.errors
    return ended.errors


@contextmanager
def edited(file, content):
    """Let a file hold something else for the block's length."""
    before = file.read_bytes()
    assert content != before
    file.write_bytes(content)
    try:
        yield
    finally:
        file.write_bytes(before)


@pytest.mark.injects("a line of the journal cut short, left out, or garbled")
def test_fault_27_a_damaged_journal_is_refused(many, tmp_path):
    sweep, _ = many
    lines = sweep.journal.read_bytes().splitlines(keepends=True)
    copy = Sweep(tmp_path / "store", sweep.name, sweep.overrides, space=sweep.space)
    copy.folder.mkdir(parents=True)
    for damage in ([lines[3][:20] + b"\n"], [], [b"\0" * 40 + b"\n"]):
        damaged = b"".join([*lines[:3], *damage, *lines[4:]])
        copy.journal.write_bytes(damaged)
        around = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
        ended = subprocess.run(
            copy.command(),
            cwd=ROOT,
            env=around,
            capture_output=True,
            text=True,
            timeout=REFUSED_S,
        )
        assert ended.returncode == 2
        assert f"Error: {copy.journal}:4: " in ended.stderr
        assert "Traceback" not in ended.stderr
        assert copy.journal.read_bytes() == damaged, "never a silent restart"


@pytest.mark.long
@pytest.mark.injects("a judge that raises in every trial, beside a registered champion")
def test_fault_17_all_trials_fail(many):
    sweep, _ = many
    promote = "from dpo_ray.cli import app; app()"
    words = ["promote", sweep.name, "--store", str(sweep.store)]
    subprocess.run([sys.executable, "-c", promote, *words], cwd=ROOT, check=True)
    before = aliases(sweep)
    assert "champion" in before
    judge = "evaluation.judge={type: reward, function: 'tests.faults.judges:raising'}"
    failing = Sweep(sweep.store, "failing", (*twins(3), judge), space=TWINS)
    ended = failing.run()
    state = hold(failing, ended, code=3, within_s=FAILING_S)
    assert {row.status for row in state.trials.values()} == {"FAILED"}
    assert state.ended.reason == "no trial ran to its end, so there is nothing to recommend"
    assert "this judge likes nothing" in ended.errors
    assert state.recommended is None
    assert aliases(sweep) == before


def aliases(sweep):
    (model,) = client_of(sweep).search_registered_models()
    return {alias: str(version) for alias, version in model.aliases.items()}


@pytest.mark.long
@pytest.mark.injects("a judge that sleeps for ever, of two ranks once on both, once on rank 1")
def test_fault_25_a_trial_hangs(many, place, recovered):
    limit_s = TIMES_SLOWER * max(many[1].trials[each].seconds for each in (CONTROL, UNHARMED))
    settings = (
        *twins(4),
        "search.concurrent=1",
        "resources.workers=2",
        f"budget.trial_minutes={limit_s / 60}",
        "evaluation.judge={type: reward, function: 'tests.faults.judges:hanging'}",
    )
    sweep = Sweep(place, "hanging", settings, space=TWINS)
    within_s = START_S + 4 * (limit_s + LEAVE_S + RESTART_S)
    state = hold(sweep, sweep.run(), code=0, within_s=within_s)
    for trial in (SLEEPING, HALF_ASLEEP):
        row = state.trials[trial]
        assert row.status == "FAILED"
        assert row.reason.startswith("timeout: not done after ")
        assert row.seconds < limit_s + LEAVE_S + RESTART_S
    assert {state.trials[trial].status for trial in (0, 3)} == {"COMPLETED"}
    assert learned(sweep, 3) == learned(sweep, CONTROL)
    recovered(max(slot_free_again(sweep, trial) for trial in (SLEEPING, HALF_ASLEEP)))
