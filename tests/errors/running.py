"""Situations: how a sweep ends, and what may not go on."""

import os
import resource
import signal
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

from rich.console import Console

from dpo_ray.cluster.lock import sweep_lock
from dpo_ray.config.budget import BudgetConfig
from dpo_ray.nightly.ledger import Ledger, NightBegan
from dpo_ray.nightly.opening import open_schedule
from dpo_ray.nightly.running import Runner, schedule_lock
from dpo_ray.plan import make_plan
from dpo_ray.search import preparation, reference_stage, running, tuner
from dpo_ray.search.ending import Facts, fatal_error, reason_to_end, shortfall
from dpo_ray.search.interruption import interruptible
from dpo_ray.search.past import refuse_foreign
from dpo_ray.search.progress import Progress
from dpo_ray.search.warm_start import refuse_unteachable
from dpo_ray.stages import _say_finished
from dpo_ray.tracking.earlier import refuse_changes, refuse_other_content
from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.records import SweepEnded
from dpo_ray.tracking.state import SweepState, fold
from dpo_ray.training.jobs import Outcome
from tests.errors.book import Chapter, Place
from tests.errors.verbs import sweep
from tests.sweeping import ROOT

ENDS = Chapter("How sweeps end")
BROKEN = Outcome("FAILED", "OSError: the disk is full", step=12)


@ENDS.when("a sweep that another process runs")
def _(place) -> object:
    folder = place.folder / "store/sweeps/night"
    with sweep_lock(folder), sweep_lock(folder):
        return None


def schedule(place: Place) -> object:
    return open_schedule(Path("sweeps/nightly.yaml"), [], Path("store"), "night")


@ENDS.when("a night while another one runs")
def _(place) -> object:
    own = schedule(place)
    with schedule_lock(own), schedule_lock(own):
        return None


@ENDS.when("a night while an earlier one has outlived its scheduler")
def _(place) -> object:
    own = schedule(place)
    tick = datetime(2026, 11, 5, 2, 30, tzinfo=UTC)
    began = NightBegan(tick=tick, sweep="night-20261105T0230Z", command=["sweep"])
    Ledger(own.folder).append(began)
    with sweep_lock(own.store / "sweeps/night-20261105T0230Z"):
        return Runner(own).run(datetime(2026, 11, 6, 2, 30, tzinfo=UTC))


def ended(**facts: object) -> object:
    budget = BudgetConfig(failures=2, failures_in_a_row=1)
    error = reason_to_end(Facts(**facts), budget)
    assert error is not None
    raise error


@ENDS.when("Ctrl-C")
def _(place) -> object:
    return ended(signal="SIGINT")


@ENDS.when("Ctrl-C twice")
def _(place) -> object:
    with interruptible(Progress(BudgetConfig())):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
    return None


@ENDS.when("a cluster that has lost the room for a slot")
def _(place) -> object:
    return ended(roomless="no room for slot-1 for 10 minutes (cluster.wait_minutes)")


@ENDS.when("too many failed trials")
def _(place) -> object:
    return ended(failures=("out of memory", "out of memory"))


@ENDS.when("too many failed trials one after another")
def _(place) -> object:
    return ended(failures=("non-finite at step 3: loss is nan",), in_a_row=1)


@ENDS.when("workers that died")
def _(place) -> object:
    reason = "the workers of slot-0 died and none came back: the node is gone"
    raise fatal_error(replace(BROKEN, fatal="workers", reason=reason))


@ENDS.when("a preparation that broke")
def _(place) -> object:
    return preparation._refuse_failure(BROKEN)


@ENDS.when("a reference that could not be fine-tuned")
def _(place) -> object:
    return reference_stage._refuse_failure(BROKEN)


@ENDS.when("a finished sweep without a completed trial")
def _(place) -> object:
    plan = make_plan(ROOT / "search_spaces/beta.yaml", ROOT / "sweeps/local.yaml", [],
                     place.folder / "store")  # fmt: skip
    voice = SimpleNamespace(as_json=False, messages=Console(quiet=True))
    return _say_finished(SweepState(), plan, voice)


@ENDS.when("a name whose space has changed")
def _(place) -> object:
    state = fold(read_journal(sweep(place) / "journal.jsonl"))
    now = {**state.plan.plan, "name": "example", "control": {"beta": 0.3}}
    before = {**state.plan.plan, "control": {"beta": 0.1}}
    changed = SimpleNamespace(plan=SimpleNamespace(plan=before), confirmation=None)
    return refuse_changes(changed, now)


BRANCHED = """
parameters:
  loss_type: {type: categorical, choices: [sigmoid, robust]}
  beta: {type: float, low: 0.1, high: 0.5}
  label_smoothing: {type: float, low: 0.0, high: 0.3, when: {loss_type: [robust]}}
  lora_rank: {type: categorical, choices: [2, 4, 8, 16]}
  lora_alpha: {type: tied, to: lora_rank, times: 2}
"""
POINT = {"loss_type": "sigmoid", "beta": 0.2, "lora_rank": 4, "lora_alpha": 8}
ALTERED = {
    "has a beta that is not searched": {"beta": 3.0},
    "has lost its loss": {"loss_type": None},
    "has lost its beta": {"beta": None},
    "has another loss's smoothing": {"label_smoothing": 0.1},
    "has an alpha that is not its rank's": {"lora_alpha": 16},
}
for altered, change in ALTERED.items():

    @ENDS.when(f"a journal in which a trial {altered}")
    def _(place, change=change) -> object:
        space = place.write("space.yaml", BRANCHED)
        plan = make_plan(Path(space), ROOT / "sweeps/local.yaml", [], place.folder / "store")
        state = fold(read_journal(sweep(place) / "journal.jsonl"))
        params = {key: value for key, value in {**POINT, **change}.items() if value is not None}
        state.trials = {3: replace(state.trials[3], params=params)}
        return refuse_foreign("example", plan.space, state)


@ENDS.when("a name whose data has changed")
def _(place) -> object:
    return refuse_other_content("example", {"data": "1a2b"}, {"data": "3c4d"})


@ENDS.when("a teacher with other parameters")
def _(place) -> object:
    folder = sweep(place)
    (folder / "journal.jsonl").write_text(
        (folder / "journal.jsonl").read_text().replace('"lora_rank"', '"warmup"')
    )
    plan = make_plan(ROOT / "search_spaces/beta.yaml", ROOT / "sweeps/local.yaml",
                     ["search.warm_start=example"], place.folder / "store")  # fmt: skip
    return refuse_unteachable(plan)


@ENDS.when("a budget that was spent before the search was done")
def _(place) -> object:
    found = shortfall(completed=0, done=3, asked=12, spent="1.0 of 1.0 hours")
    assert found is not None
    raise found


@ENDS.when("a search without a completed trial")
def _(place) -> object:
    found = shortfall(completed=0, done=12, asked=12, spent=None)
    assert found is not None
    raise found


@ENDS.when("trials that were lost with their processes")
def _(place) -> object:
    journal = SimpleNamespace(path=sweep(place) / "journal.jsonl")
    meter = SimpleNamespace(search_spent=False)
    plan = SimpleNamespace(trials=14)
    return tuner._refuse_losses(SimpleNamespace(plan=plan, journal=journal, meter=meter))


@ENDS.when("a budget that ends during the confirmation")
def _(place) -> object:
    meter = SimpleNamespace(all_is_over=lambda: True, sentence=lambda: "1.0 of 1.0 hours")
    return running._both(lambda: None, meter, "the confirmation")()


@ENDS.when("a disk that takes no more of the journal")
def _(place) -> object:
    journal = Journal.create(place.folder / "journal.jsonl")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        return journal.append(SweepEnded(exit_code=0, reason="done"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        journal.close()
