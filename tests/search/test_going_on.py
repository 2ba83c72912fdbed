"""What a process left half-said is settled, and what may be thrown away is found."""

from pathlib import Path

import pytest

from dpo_ray.config.space import SearchSpace
from dpo_ray.config.sweep import SweepConfig
from dpo_ray.errors import CorruptJournal
from dpo_ray.search.going_on import obeyed, settle, unsaid
from dpo_ray.search.past import refuse_foreign
from dpo_ray.search.pruning import losers, superfluous
from dpo_ray.search.rung_book import rung_book
from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.records import (
    Candidate,
    ConfirmationPlanned,
    RungDecided,
    RungReached,
    SweepPlanned,
    TrialEnded,
    TrialResumed,
    TrialStarted,
    WarmStarted,
    WarmTrial,
)
from dpo_ray.tracking.state import fold

WIN = {"metric": "win_rate", "direction": "maximize"}
KL = {"metric": "kl", "direction": "minimize"}


def story(folder, *records, objectives=(WIN,)):
    plan = {"sweep": {"objective": list(objectives)}}
    first = SweepPlanned(name="s", plan=plan, host="h", pid=1, versions={}, time=1.0)
    return fold([first, *records])


def started(trial, folder, origin="sampler"):
    return TrialStarted(
        trial=trial, params={"beta": 0.1}, origin=origin, slot="s", folder=str(folder),
        total_steps=60, time=10.0,
    )  # fmt: skip


def rung(trial, step, win_rate=0.6, kl=1.0):
    metrics = {"eval/win_rate": win_rate, "eval/kl": kl}
    return RungReached(trial=trial, step=step, fraction=step / 60, metrics=metrics, time=20.0)


def decided(trial, step, action="continue"):
    return RungDecided(trial=trial, step=step, action=action, reason="because", time=21.0)


def ended(trial, step=60, state="COMPLETED"):
    return TrialEnded(trial=trial, state=state, reason="", step=step, seconds=9.0, time=30.0)


def book_of(state, **settings):
    search = {"scheduler": {"grace_trials": 1} | settings}
    return rung_book(SweepConfig.model_validate({"search": search}), 12, state)


@pytest.mark.parametrize(("win_rate", "action"), [(0.9, "continue"), (0.5, "stop")])
def test_a_rung_without_a_verdict_gets_the_one_it_would_have_had(tmp_path, win_rate, action):
    before = [started(1, tmp_path), rung(1, 15, 0.7), decided(1, 15)]
    state = story(tmp_path, *before, started(2, tmp_path), rung(2, 15, win_rate))
    verdict, *end = unsaid(state.trials[2], book_of(state))
    assert (verdict.action, verdict.step, verdict.spared) == (action, 15, False)
    assert verdict.reason == f"win_rate {win_rate:.3f}, cutoff 0.700 after 1 trials"
    assert [each.state for each in end] == ["STOPPED"] * (action == "stop")


@pytest.mark.parametrize("saved", [True, False])
def test_a_verdict_to_stop_stands(tmp_path, saved):
    adapter = tmp_path / "step-00015" / "adapter"
    if saved:
        adapter.mkdir(parents=True)
    state = story(tmp_path, started(1, tmp_path), rung(1, 15), decided(1, 15, "stop"))
    (record,) = unsaid(state.trials[1], book_of(state))
    assert (record.state, record.step, record.seconds) == ("STOPPED", 15, 11.0)
    assert record.adapter == (str(adapter) if saved else None)


def test_a_trial_that_could_not_say_that_it_obeyed_has_stopped(tmp_path):
    told = [rung(1, 15), decided(1, 15, "stop")]
    state = story(tmp_path, started(1, tmp_path), *told, started(2, tmp_path), rung(2, 15))
    assert (obeyed(state.trials[1]).state, obeyed(state.trials[1]).step) == ("STOPPED", 15)
    assert obeyed(state.trials[2]) is None


def test_nothing_is_unsaid_of_a_trial_between_its_rungs(tmp_path):
    state = story(tmp_path, started(1, tmp_path), rung(1, 15), decided(1, 15), started(2, tmp_path))
    assert unsaid(state.trials[1], book_of(state)) == []
    assert unsaid(state.trials[2], book_of(state)) == []


def test_what_is_settled_stands_in_the_journal(tmp_path):
    journal = Journal.create(tmp_path / "journal.jsonl")
    for record in (started(0, tmp_path), rung(0, 60), decided(0, 60), ended(0),
                   started(1, tmp_path), rung(1, 15)):  # fmt: skip
        journal.append(record)
    for _ in range(2):
        state = fold(read_journal(journal.path))
        settle(journal, state, book_of(state))
    added = read_journal(journal.path)[6:]
    assert [(record.kind, record.trial) for record in added] == [("decision", 1)]


def test_a_trial_that_goes_on_adds_up_its_lives(tmp_path):
    state = story(tmp_path, started(1, tmp_path), rung(1, 15), decided(1, 15))
    row = state.trials[1]
    state.apply(TrialResumed(trial=1, slot="s2", step=15, total_steps=60, time=1000.0))
    assert (row.status, row.slot, row.step, row.before) == ("RUNNING", "s2", 15, 11.0)
    state.apply(ended(1))
    assert row.seconds == 20.0
    state.apply(TrialResumed(trial=1, slot="s", step=60, total_steps=0, time=2000.0))
    assert (row.before, row.total_steps) == (20.0, 60)


def test_decided_rungs_of_the_past_refill_the_book(tmp_path):
    rows = [(0, 0.5, 0.6), (1, 0.7, 0.8), (2, 0.9, None)]
    records = []
    for trial, early, later in rows:
        records += [started(trial, tmp_path), rung(trial, 15, early), decided(trial, 15)]
        records += [rung(trial, 30, later), decided(trial, 30)] if later else []
    made = book_of(story(tmp_path, *records), grace_trials=4)
    bad = {"eval/win_rate": 0.1}
    assert made.judge(5, 0.25, bad).reason == "among the first 4 at this rung"
    assert made.judge(6, 0.25, bad).reason.endswith("after 4 trials")
    assert made.judge(6, 0.5, bad).reason == "among the first 4 at this rung"


def adapters(folder: Path, *steps):
    return [folder / f"step-{step:05d}" / "adapter" for step in steps]


def test_the_last_and_the_best_checkpoint_of_a_trial_stay(tmp_path):
    rungs = [rung(1, 15, 0.9), rung(1, 30, 0.8), rung(1, 60, 0.7)]
    state = story(tmp_path, started(1, tmp_path), *rungs, ended(1))
    # The last one lies in the trial's own folder.
    assert superfluous(state, state.trials[1]) == adapters(tmp_path, 30, 60)


def test_a_trial_that_may_go_on_keeps_everything(tmp_path):
    rungs = [rung(1, 15, 0.9), rung(1, 30, 0.8)]
    state = story(tmp_path, started(1, tmp_path), *rungs, ended(1, 33, "KILLED"))
    assert superfluous(state, state.trials[1]) == []


def test_of_two_objectives_every_checkpoint_on_the_trials_front_stays(tmp_path):
    rungs = [rung(1, 15, 0.6, 0.5), rung(1, 30, 0.5, 1.0), rung(1, 60, 0.9, 2.0)]
    state = story(tmp_path, started(1, tmp_path), *rungs, ended(1), objectives=(WIN, KL))
    assert superfluous(state, state.trials[1]) == adapters(tmp_path, 30, 60)


def test_when_all_is_over_only_what_was_compared_keeps_its_checkpoints(tmp_path):
    folders = {trial: tmp_path / str(trial) for trial in range(4)}
    records = []
    for trial, win_rate in ((0, 0.5), (1, 0.9), (2, 0.8), (3, 0.7)):
        origin = "control" if trial == 0 else "sampler"
        records += [started(trial, folders[trial], origin), rung(trial, 15, win_rate)]
        records += [rung(trial, 60, 0.1), ended(trial)]
    state = story(tmp_path, *records)
    assert losers(state) == [
        *adapters(folders[2], 15, 60),
        *adapters(folders[3], 15, 60),
    ]
    tried = Candidate(
        trial=3, step=15, fraction=0.25, total_steps=60, params={}, is_default=False, metrics={}
    )
    state.apply(ConfirmationPlanned(candidates=[tried], seeds=[1], prompts=1, reference={}))
    assert losers(state) == adapters(folders[2], 15, 60)
    state.trials[2].model = str(folders[2] / "model")
    assert losers(state)[-1] == folders[2] / "model"


SPACE = SearchSpace.model_validate(
    {"parameters": {"beta": {"type": "float", "low": 0.1, "high": 0.5}}}
)


def taught(**params):
    trial = WarmTrial(params=params, state="COMPLETED", values=[0.6])
    return WarmStarted(sweep="older", trials=[trial], configs=[params], note="")


def test_trials_of_the_sweeps_own_space_are_gone_on_with(tmp_path):
    state = story(tmp_path, taught(beta=0.5), started(1, tmp_path))
    refuse_foreign("s", SPACE, state)


@pytest.mark.parametrize("params", [{"beta": 0.6}, {"beta": "0.2"}, {}, {"beta": 0.2, "alpha": 1}])
def test_trials_of_another_space_are_refused(tmp_path, params):
    """Altered by hand, say: a sampler that was taught by them would end in a traceback."""
    own = started(1, tmp_path).model_copy(update={"params": params})
    for state in (story(tmp_path, own), story(tmp_path, taught(**params))):
        with pytest.raises(CorruptJournal, match="must be a point of the sweep's search space: "):
            refuse_foreign("s", SPACE, state)
