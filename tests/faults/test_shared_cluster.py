"""On a Ray cluster that goes on after the sweep: what a trial frees, and what it leaves on disk."""

import json
import os
import signal
from contextlib import suppress

import pytest
from ray.util import placement_group_table

from dpo_ray.data.trial_files import ADAPTER, RESUME
from dpo_ray.slots.pool import SlotPool
from dpo_ray.slots.slot import SlotShape
from tests.faults.invariants import hold, nothing_was_learned_in_vain
from tests.faults.judges import NOTES, STOPPED
from tests.faults.leftovers import nobody_is_left
from tests.faults.life import Sweep, ends

pytestmark = [pytest.mark.slow, pytest.mark.long]
WITHIN_S, REFUSED_S = 240.0, 60.0
TRIALS, SAVES = 10, 20
FREE_S = 10.0
AT_ONCE, SLOTS = 2, 2
"""Checkpoints of a trial: the last, and the one that is being written. Trials at work."""


@pytest.fixture(scope="module")
def growing(cluster, place):
    """A sweep whose trials save at every step, one of them stopped; what lay on disk meanwhile."""
    sweep = Sweep(
        place,
        "growing",
        (
            f"training.max_steps={SAVES}",
            "training.batch_size=4",
            "training.checkpoint_steps=1",
            f"search.trials={TRIALS}",
            "search.scheduler={type: asha, grace_trials: 1}",
            "evaluation.at=[0.25, 0.5, 1.0]",
            "evaluation.judge={type: reward, function: 'tests.faults.judges:poor'}",
        ),
        cluster=cluster,
    )
    seen = []
    with sweep.begin() as life:
        while life.alive:
            seen.append(resumable(sweep))
            life.rest(0.1)
        ended = life.wait(1)
    state = hold(sweep, ended, code=0, within_s=WITHIN_S)
    return sweep, state, seen


def resumable(sweep):
    """Return the bytes of the checkpoints to go on from that there are now, whole or not.

    By trial, in the order of their steps; one that vanishes meanwhile is as if it had gone before.
    """
    trials = sweep.folder / "trials"
    found = [path for hidden in ("", ".") for path in trials.glob(f"*/{hidden}{RESUME}*")]
    names = {path.parent.name for path in found}
    return {name: [bytes_of(path) for path in found if path.parent.name == name] for name in names}


def bytes_of(folder):
    """Return what a folder takes on disk."""
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            total += path.stat().st_size if path.is_file() else 0
    return total


@pytest.mark.injects("10 trials of 20 saves each")
def test_fault_06_checkpoints_do_not_pile_up(growing):
    sweep, state, seen = growing
    trials = sweep.folder / "trials"
    every = [each for look in seen for sizes in look.values() for each in sizes]
    size = max(every)
    assert len(every) > TRIALS
    assert max(len(sizes) for look in seen for sizes in look.values()) <= AT_ONCE
    assert max(map(len, seen)) <= SLOTS, "trials that are over keep theirs"
    assert max(sum(map(sum, look.values())) for look in seen) <= AT_ONCE * size * SLOTS
    assert resumable(sweep) == {}
    adapters = list(trials.glob(f"**/{ADAPTER}"))
    earlier = [path for path in adapters if path.parent.name.startswith("step-")]
    of_interest = {state.ended.best, state.recommended.trial, 0}
    assert {int(path.parts[-3][1:]) for path in earlier} <= of_interest
    assert len(adapters) - len(earlier) <= TRIALS
    assert bytes_of(trials) <= AT_ONCE * size * TRIALS


@pytest.mark.injects("a trial with the worst scores, which its first rung stops")
def test_fault_24_a_trial_is_stopped_early(growing, recovered):
    sweep, state, _ = growing
    row = state.trials[STOPPED]
    assert (row.status, row.step) == ("STOPPED", SAVES // 4)
    notes = [
        json.loads(line) for line in (sweep.folder / "trials" / NOTES).read_text().splitlines()
    ]
    assert [each["step"] for each in notes if each["trial"] == STOPPED] == [SAVES // 4]
    told = [r.step for r in sweep.records if r.kind == "train" and r.trial == STOPPED]
    assert max(told) == SAVES // 4, "it went on"
    next_one = min(
        r.time
        for r in sweep.records
        if r.kind == "trial_started" and r.slot == row.slot and r.time > row.ended
    )
    assert next_one - row.ended < FREE_S
    recovered(next_one - row.ended)


@pytest.mark.injects("99 CPUs a worker on a cluster that is joined")
def test_fault_13_more_than_a_cluster_has(cluster, place):
    asked = "resources.cpus_per_worker=99"
    sweep = Sweep(place, "too-much", (asked,), cluster=cluster)
    ended = sweep.run()
    assert ended.code == 2
    assert ended.seconds < REFUSED_S
    assert "ask for 198" in ended.errors
    assert "the Ray cluster at" in ended.errors
    assert "Traceback" not in ended.errors
    assert not sweep.state.trials
    nobody_is_left(sweep)


@pytest.mark.injects("kill -9 of a driver that has joined a cluster")
def test_fault_01_the_driver_is_killed_on_a_cluster_that_stays(cluster, place):
    gentle = ("training.learning_rate=5.0e-4", "training.checkpoint_steps=5")
    shape = ("training.max_steps=120", "training.batch_size=4", "search.trials=4")
    sweep = Sweep(place, "left", (*shape, *gentle), cluster=cluster)
    with sweep.begin() as life:
        life.until(lambda state: any(row.step > 10 for row in state.trials.values()), "at work")
        life.kill()
    kept = ends(sweep.state)
    nobody_is_left(sweep)
    hold(sweep, sweep.run(), code=0, within_s=WITHIN_S, kept=kept)
    assert any(r.kind == "trial_resumed" and r.step > 0 for r in sweep.records)
    nothing_was_learned_in_vain(sweep)


@pytest.mark.injects("kill -9 of a slot's process")
def test_a_slot_that_dies_leaves_no_reservation(cluster, tmp_path):
    import ray

    with SlotPool("dying", 1, SlotShape(1, 0.9, 0.0, str(tmp_path), disposable=True)) as pool:
        pool.wait_warm()
        (name,) = pool.slots
        pid = ray.get(pool.slots[name].__ray_call__.remote(lambda _: os.getpid()))
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(ray.exceptions.RayActorError):
            ray.get(pool.slots[name].running.remote())
        successor = pool.replace(name)
        assert pool.replace(name) == successor
        pool.wait_warm()
        groups = [each for each in placement_group_table().values() if each["state"] == "CREATED"]
        assert [each["name"].partition("/")[0] for each in groups] == [successor]
