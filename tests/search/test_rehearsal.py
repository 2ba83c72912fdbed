"""A whole search over slots that rehearse: a real Tune, Optuna, pump, journal and console."""

import io
import threading
from collections import Counter

import psutil
import pytest

from dpo_ray.errors import TooManyFailures
from dpo_ray.slots.rehearsal import RehearsalShape
from dpo_ray.tracking.console import SweepConsole
from dpo_ray.tracking.journal import read_journal

pytestmark = pytest.mark.slow


def test_a_rehearsed_sweep_goes_the_way_of_a_real_one(cluster, small_plan):
    from dpo_ray.search.rehearsal import rehearse

    whole = "search.scheduler.type=none"  # or a rung may stop a trial before it fails
    plan = small_plan("search.trials=12", "search.n_startup=3", whole, name="rehearsed")
    seen = io.StringIO()
    console = SweepConsole(plan.name, 12, seen)
    state = rehearse(plan, RehearsalShape(fails={3: 0.0, 5: 0.6}), console)
    rows = [state.trials[number] for number in range(12)]
    statuses = Counter(row.status for row in rows)
    assert [row.number for row in rows if row.status == "FAILED"] == [3, 5]
    assert statuses["COMPLETED"] == 10
    assert rows[0].is_control
    assert rows[0].params["beta"] == 0.1
    assert {row.origin for row in rows} >= {"control", "sampler"}
    assert {row.slot for row in rows} == {"rehearsed-slot-0", "rehearsed-slot-1"}
    assert not state.running
    assert "12/12 trials done" in seen.getvalue()


def test_a_rehearsed_sweep_ends_with_its_failures_as_a_real_one(cluster, small_plan):
    from dpo_ray.search.rehearsal import rehearse

    plan = small_plan("search.trials=8", "budget.failures=2", name="rehearsed-failing")
    with pytest.raises(TooManyFailures, match="fails as rehearsed"):
        rehearse(plan, RehearsalShape(fails=dict.fromkeys(range(8), 0.0)))


def test_a_slot_that_dies_is_replaced_and_its_trial_goes_on_there(cluster, small_plan):
    from dpo_ray.search.rehearsal import rehearse

    slots = ("search.trials=6", "search.concurrent=2", "search.scheduler.type=none")
    plan = small_plan(*slots, "training.max_steps=60", name="rehearsed-dying")
    done = threading.Event()
    killed = []

    def kill_one():
        """As the kernel does, each time two trials have begun."""
        while not done.wait(1.5) and len(killed) < 2:
            found = [p for p in psutil.process_iter() if is_slot(p) and p.pid not in killed]
            if len(found) == 2:
                killed.append(found[0].pid)
                found[0].kill()

    striking = threading.Thread(target=kill_one)
    striking.start()
    try:
        state = rehearse(plan, RehearsalShape(pause_s=1.0))
    finally:
        done.set()
        striking.join()
    assert len(killed) == 2
    rows = [state.trials[number] for number in range(6)]
    assert {row.status for row in rows} == {"COMPLETED"}
    assert {row.step for row in rows} == {60}
    successors = {f"rehearsed-dying-slot-{number}" for number in (2, 3)}
    assert {row.slot for row in rows} & successors
    records = read_journal(plan.folder / "journal.jsonl")
    told = Counter((r.kind, r.trial, r.step) for r in records if r.kind in ("train", "rung"))
    assert set(told.values()) == {1}
    assert sum(r.kind == "trial_resumed" for r in records) >= 1
    assert Counter(r.trial for r in records if r.kind == "trial_started") == dict.fromkeys(
        range(6), 1
    )


def is_slot(process):
    try:
        return process.name().startswith("ray::Rehearsal")
    except psutil.NoSuchProcess:
        return False
