"""A whole search over slots that rehearse: a real Tune, Optuna, pump, journal and console."""

import gc
import io
import threading
from collections import Counter

import psutil
import pytest
import ray

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


def test_of_a_trial_that_is_over_tune_keeps_neither_results_nor_objects(cluster, small_plan):
    """Of 500 trials there would be 500 objects of Ray's."""
    from ray.tune.experiment import Trial

    from dpo_ray.search.rehearsal import rehearse

    over, kept = [], []

    def look(record):
        if record.kind == "trial_started":
            trials = [each for each in gc.get_objects() if type(each) is Trial]
            ended = [each for each in trials if each.is_finished()]
            over.append(len(ended))
            kept.extend(what for each in ended for what in kept_of(each))

    fails = RehearsalShape(fails={3: 0.0, 5: 0.6})
    rehearse(small_plan("search.trials=12", name="rehearsed-freely"), fails, look)
    assert max(over) >= 8
    assert not kept


def kept_of(trial):
    """What Tune's trial holds of Ray's objects, of its last result, and of statistics."""
    data = trial.run_metadata
    objects = [value for value in vars(trial).values() if isinstance(value, ray.ObjectRef)]
    return [
        *objects,
        *(set(data.last_result) - {"trial_id"}),
        *data.metric_analysis,
        *data.metric_n_steps,
    ]


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


def test_a_trial_whose_stand_in_dies_has_an_end_and_its_slot_goes_on(cluster, small_plan):
    """Nobody asks for its next turn: without an end the only slot would wait for ever."""
    from dpo_ray.search.rehearsal import rehearse

    slots = ("search.trials=5", "search.concurrent=1", "search.scheduler.type=none")
    plan = small_plan(*slots, "training.max_steps=60", name="rehearsed-forsaken")
    killed = threading.Event()

    def kill_one():
        while not killed.wait(0.2):
            for process in psutil.process_iter():
                if is_at_work(process, "ray::ResourceTrainable") and began(plan, trial=1):
                    process.kill()
                    killed.set()

    striking = threading.Thread(target=kill_one)
    striking.start()
    try:
        state = rehearse(plan, RehearsalShape(pause_s=1.0))
    finally:
        killed.set()
        striking.join()
    (lost,) = state.with_status("FAILED")
    assert lost.reason == "the process that stood for it in Tune died"
    assert lost.number in (1, 2)  # killed in its first seconds, or as the next one began
    rest = [row for row in state.trials.values() if row is not lost]
    assert {(row.status, row.step) for row in rest} == {("COMPLETED", 60)}
    assert len(rest) == 4


def began(plan, trial):
    path = plan.folder / "journal.jsonl"
    return any(r.kind == "trial_started" and r.trial == trial for r in read_journal(path))


def is_slot(process):
    return is_at_work(process, "ray::Rehearsal")


def is_at_work(process, title):
    try:
        return process.name().startswith(title)
    except psutil.NoSuchProcess:
        return False
