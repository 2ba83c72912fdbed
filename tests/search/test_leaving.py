"""Slots that lose their workers in the middle of a search, and of a confirmation."""

import threading
import time
from dataclasses import replace

import pytest
import ray

from dpo_ray.search.rehearsal import opening_lines, rehearse_search, template_of
from dpo_ray.slots.pool import SlotPool
from dpo_ray.slots.rehearsal import RehearsalShape, RehearsalSlot
from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.records import TrialEnded, TrialResumed
from dpo_ray.tracking.state import fold

pytestmark = pytest.mark.slow


@pytest.fixture
def plan(cluster, small_plan):
    return small_plan("search.trials=6", "search.scheduler={type: none}", name="leaving")


def leave_once(path):
    """Take the workers of whichever slot has a trial at work past its first rung."""
    while True:
        state = fold(read_journal(path))
        for row in state.running:
            if row.rungs and row.step < row.total_steps:
                ray.get(ray.get_actor(row.slot).cool.remote("its node has left"))
                return
        time.sleep(0.02)


def test_a_search_goes_on_when_a_slot_has_lost_its_workers(plan, tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal.create(path)
    for record in opening_lines(plan):
        journal.append(record)
    thread = threading.Thread(target=leave_once, args=(path,), daemon=True)
    thread.start()
    try:
        rehearse_search(plan, journal, RehearsalShape(pause_s=2.0))
    finally:
        journal.close()
    thread.join(5)
    records = read_journal(path)
    (left,) = [r for r in records if isinstance(r, TrialEnded) and r.state == "KILLED"]
    (back,) = [r for r in records if isinstance(r, TrialResumed)]
    assert left.reason == "its node has left"
    assert (back.trial, back.step) == (left.trial, 4), "rehearsals go on from their last rung"
    state = fold(records)
    assert {row.status for row in state.trials.values()} == {"COMPLETED"}
    assert len(state.trials) == 6
    rungs = [row.rungs for row in state.trials.values()]
    assert {tuple(rung.fraction for rung in each) for each in rungs} == {(0.5, 1.0)}


def test_jobs_handed_out_one_by_one_are_all_done_though_a_slot_leaves(plan):
    template = template_of(plan)
    jobs = [template.configured(number, {}, "confirmation") for number in range(4)]
    left = []
    with SlotPool("leaving", 2, RehearsalShape(pause_s=0.2), actor=RehearsalSlot) as pool:

        def leave(slot, job, _):
            if not left:
                left.append(job.trial)
                ray.get(pool.slots[slot].cool.remote("its node has left"))

        done = list(pool.run_all(jobs, on_rung=leave))
    assert sorted(job.trial for job, _ in done) == [0, 1, 2, 3]
    assert {outcome.state for _, outcome in done} == {"COMPLETED"}
    (again,) = [job for job, _ in done if job.resume]
    assert again.trial == left[0]
    known = {"resume": True, "seen_rung": 4, "seen_log": again.seen_log}
    assert again == replace(jobs[left[0]], **known)


def test_nobody_waits_for_a_slot_of_a_search_that_ends(plan):
    with SlotPool("ending", 1, RehearsalShape(), actor=RehearsalSlot) as pool:
        leases = ray.get_actor(pool.leases_name)
        assert ray.get(leases.lease.remote(99), timeout=30) == "ending-slot-0"
        waiting = [leases.lease.remote(99) for _ in range(2)]
        assert ray.wait(waiting, num_returns=2, timeout=0.5)[0] == []
        assert pool.cancel_all(5.0)
        assert ray.get(waiting, timeout=5) == ["", ""]
