"""The driver is killed, told to end, started twice, or out of time: the same command goes on."""

import signal
import time
from itertools import pairwise

import pytest

from dpo_ray.data.trial_files import ERROR_LOG
from tests.faults.invariants import hold, nothing_was_learned_in_vain
from tests.faults.judges import BREAKS_LATE
from tests.faults.leftovers import nobody_is_left
from tests.faults.life import Sweep, ends
from tests.faults.mirrored import runs_of

pytestmark = [pytest.mark.slow, pytest.mark.cluster_last]
EVERY = 5
SETTINGS = (
    "training.max_steps=40",
    f"training.checkpoint_steps={EVERY}",
    "training.learning_rate=5.0e-4",  # gentle: no trial may fail by a limit
    "search.trials=5",
    "evaluation.at=[0.25, 0.5, 1.0]",
    "confirm={top: 1, seeds: 2, prompts: 16}",
)
SHORT_STEPS = "training.batch_size=4"
LONG = ("training.max_steps=100", "confirm=null")
"""What is still at work when the last blow comes, on a machine several times as fast as well."""
GOES_ON_S, WHOLE_S = 180.0, 240.0
GRACE_S = 60.0
REFUSED_S = 30.0
BUDGET_S, GRACE_MINUTES = 75.0, 0.08
LEAVE_S = 5.0
"""A cancelled trial saves and leaves, once it has polled."""
CLOSING_S = 45.0
"""Slots close, Ray stops, and MLflow has the last lines."""


def has_steps(state):
    return any(row.step >= 15 for row in state.trials.values())


def is_confirming(state):
    return any(row.status == "COMPLETED" for row in state.confirmations.values())


def is_past_its_half(state):
    """With its last rung, where it breaks, still far away."""
    row = state.trials.get(BREAKS_LATE)
    return row is not None and row.step > row.total_steps / 2


def two_done_one_at_work(state):
    done = state.with_status("COMPLETED", "STOPPED")
    return len(done) >= 2 and at_work(state)


def two_at_work(state):
    """Neither is about to end by itself."""
    return sum(row.step < row.total_steps / 2 for row in at_work(state)) >= 2


def at_work(state):
    """The trials that train in the sweep's present life."""
    life = state.lives[-1] if state.lives else None
    return [row for row in state.running if row.last > row.started > life.began]


def killed_at(sweep, moments):
    """Kill a life at each moment; return what was over before the last blow, and when it came."""
    kept = {}
    for reached, later_s in moments:
        with sweep.begin() as life:
            life.until(reached, reached.__name__)
            life.rest(later_s)
            assert life.alive, "it was through before it was killed"
            life.kill()
            blow = time.time()
        nobody_is_left(sweep, agents=False)
        state = sweep.state
        assert {number: ends(state).get(number) for number in kept} == kept
        kept = ends(state)
    return kept, blow


def went_on_after(sweep, blow):
    """Return the seconds from the next start after a blow to the first step of training."""
    after = [r for r in sweep.records if r.time > blow]
    began = next(r.time for r in after if r.kind == "resumed")
    return next(r.time for r in after if r.kind == "train") - began


def is_whole(sweep, state, lives):
    """Nothing is missing, and MLflow has the last values of each trial."""
    records = sweep.records
    assert len(state.lives) == lives
    assert sorted(state.trials) == list(range(state.trials_asked))
    assert {row.status for row in state.trials.values()} <= {"COMPLETED", "STOPPED"}
    assert any(r.kind == "trial_resumed" and r.step > 0 for r in records)
    nothing_was_learned_in_vain(sweep)
    rows = {**state.trials, **state.confirmations}
    for run in runs_of(sweep)[1]:
        row = rows[int(run.data.tags["dpo_ray.trial"])]
        shown = {name: run.data.metrics[name] for name in row.metrics}
        assert shown == pytest.approx(row.metrics)


@pytest.mark.injects("kill -9 of the driver at its first steps, and while it confirms")
def test_fault_01_the_driver_is_killed(alone, place, recovered):
    sweep = Sweep(place, "killed", (*SETTINGS, SHORT_STEPS))
    kept, blow = killed_at(sweep, [(has_steps, 0), (is_confirming, 0)])
    ended = sweep.run()
    state = hold(sweep, ended, code=0, within_s=GOES_ON_S, kept=kept)
    is_whole(sweep, state, lives=3)
    assert [row.status for row in state.confirmations.values()] == ["COMPLETED"] * 4
    assert state.verdict is not None
    assert "goes on: " in ended.errors
    recovered(went_on_after(sweep, blow))


@pytest.mark.long
@pytest.mark.injects("kill -9 with two trials done and one at work, 0, 3, 7 and 12 s later")
def test_fault_01_the_driver_is_killed_at_any_time(alone, place, recovered):
    sweep = Sweep(place, "killed-late", (*SETTINGS, *LONG, "search.trials=12"))
    kept, blow = killed_at(sweep, [(two_done_one_at_work, later) for later in (0, 3, 7, 12)])
    assert len(kept) >= 2
    state = hold(sweep, sweep.run(), code=0, within_s=WHOLE_S, kept=kept)
    is_whole(sweep, state, lives=5)
    recovered(went_on_after(sweep, blow))


@pytest.mark.long
@pytest.mark.injects("a driver that is stopped, and killed once a trial has ended unheard")
def test_fault_01_the_driver_is_killed_before_it_hears_of_an_end(alone, place):
    """What the trial goes on from stays until the journal has its end: the steps that the driver
    never heard of are not lost either."""
    judge = "evaluation.judge={type: reward, function: 'tests.faults.judges:breaking_late'}"
    sweep = Sweep(place, "unheard", (*SETTINGS, *LONG, SHORT_STEPS, judge, "search.trials=2"))
    folder = sweep.folder / "trials" / f"t{BREAKS_LATE:02d}"
    with sweep.begin() as life:
        life.until(is_past_its_half, "past its half")
        life.send(signal.SIGSTOP)
        deadline = time.monotonic() + GOES_ON_S
        while not (folder / ERROR_LOG).exists():
            assert time.monotonic() < deadline, "it did not break"
            life.rest(0.1)
        life.rest(LEAVE_S)  # the worker has said all that it will, and has left the trial
        life.kill()
    nobody_is_left(sweep, agents=False)
    row = sweep.state.trials[BREAKS_LATE]
    assert (row.status, row.step < row.total_steps - EVERY) == ("RUNNING", True)
    state = hold(sweep, sweep.run(), code=0, within_s=GOES_ON_S)
    row = state.trials[BREAKS_LATE]
    assert (row.status, state.trials[0].status) == ("FAILED", "COMPLETED")
    (again,) = [r for r in sweep.records if r.kind == "trial_resumed" and r.trial == row.number]
    assert again.step == row.total_steps - EVERY
    nothing_was_learned_in_vain(sweep)


@pytest.fixture(scope="module")
def told_to_end(alone, place):
    """A sweep told to end by SIGTERM and by SIGINT with two trials at work, and begun thrice."""
    sweep = Sweep(place, "told", (*SETTINGS, *LONG, "search.trials=6"))
    second, seconds = None, []
    for number in (signal.SIGTERM, signal.SIGINT):
        kept = ends(sweep.state)
        with sweep.begin() as life:
            life.until(two_at_work, "two at work")
            if second is None:
                second = sweep.run()
                life.until(two_at_work, "two at work, again")
            told, lived = time.monotonic(), time.monotonic() - life.began
            life.send(number)
            ended = life.wait()
            seconds.append(time.monotonic() - told)
        state = hold(sweep, ended, code=130, within_s=lived + GRACE_S, kept=kept)
        assert state.ended.reason == f"interrupted by {number.name}"
        assert len(state.with_status("KILLED")) == 2
        assert "To go on with it: " in ended.errors
    kept = ends(sweep.state)
    state = hold(sweep, sweep.run(), code=0, within_s=GOES_ON_S, kept=kept)
    is_whole(sweep, state, lives=3)
    return second, seconds


@pytest.mark.long
@pytest.mark.injects("SIGTERM, then in its next life SIGINT, with two trials at work")
def test_fault_12_told_to_end(told_to_end, recovered):
    _, seconds = told_to_end
    assert max(seconds) < GRACE_S
    recovered(max(seconds))


@pytest.mark.long
@pytest.mark.injects("the same command a second time while the first is at work")
def test_fault_15_two_sweeps_of_one_name(told_to_end):
    second, _ = told_to_end
    assert second.code == 6
    assert second.seconds < REFUSED_S
    assert "Error: another live process runs the sweep told" in second.errors
    assert "Traceback" not in second.errors


@pytest.mark.long
@pytest.mark.injects("budget.hours of 75 s, its start included, and 5 s of grace for 400 trials")
def test_fault_26_the_budget_is_spent(alone, place):
    """Of hours; GPU-hours need GPUs: a worker that is lent an invented one trains on cuda:0."""
    grace_s = 60 * GRACE_MINUTES
    limits = (f"budget.hours={BUDGET_S / 3600}", f"budget.grace_minutes={GRACE_MINUTES}")
    settings = (*SETTINGS, *LONG, "search.trials=400", *limits)
    sweep = Sweep(place, "spent", settings)
    within_s = BUDGET_S + grace_s + CLOSING_S
    state = hold(sweep, sweep.run(), code=5, within_s=within_s)
    done = state.with_status("COMPLETED", "STOPPED")
    assert 1 <= len(done) < 400
    assert "the budget was spent before the search was done" in state.ended.reason
    over_s = max(row.ended for row in state.trials.values()) - state.lives[0].began - BUDGET_S
    assert over_s <= grace_s + longest_pause(sweep) + LEAVE_S
    spent = runs_of(sweep)[0].data.metrics["spent/hours"]
    assert BUDGET_S / 3600 * 0.8 < spent < within_s / 3600


def longest_pause(sweep):
    """Return the longest time between two lines of a trial: so long it may take until it polls."""
    lines = {}
    for record in sweep.records:
        if record.kind in ("train", "rung"):
            lines.setdefault(record.trial, []).append(record.time)
    return max(after - before for times in lines.values() for before, after in pairwise(times))
