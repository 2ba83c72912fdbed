"""What a name's earlier sweep means for the next one."""

from pathlib import Path

import pytest

from dpo_ray.errors import ChangedSweep, ConfigError, CorruptJournal
from dpo_ray.tracking.earlier import (
    earlier_records,
    is_finished,
    refuse_changes,
    refuse_other_content,
    trials_asked,
)
from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.records import (
    Confirmed,
    Record,
    SweepEnded,
    SweepResumed,
    TrialEnded,
)
from dpo_ray.tracking.state import fold

ENDED = SweepEnded(exit_code=0, reason="all trials of the plan are done", time=90.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "sweeps" / "nightly"


def leave_behind(folder: Path, *records: Record) -> None:
    journal = Journal.create(folder / "journal.jsonl")
    for record in records:
        journal.append(record)
    journal.close()


def ended(trial=0, state="COMPLETED", time=50.0):
    return TrialEnded(trial=trial, state=state, reason="", step=60, seconds=9.0, time=time)


def test_a_new_name_has_no_past(folder):
    assert earlier_records(folder) == []
    folder.mkdir(parents=True)
    assert earlier_records(folder) == []
    assert list(folder.iterdir()) == []


def test_a_journal_with_trials_is_given_back_whole(example_journal):
    records = earlier_records(example_journal.parent)
    assert records == read_journal(example_journal)
    assert len(fold(records).trials) == 12


@pytest.mark.parametrize("tail", [[], [SweepEnded(exit_code=2, reason="no row is left")]])
def test_a_sweep_without_trials_is_set_aside(folder, planned, tail):
    leave_behind(folder, planned, *tail)
    before = (folder / "journal.jsonl").read_text()
    assert earlier_records(folder) == []
    (aside,) = folder.iterdir()
    assert aside.match("journal-*.jsonl")
    assert aside.read_text() == before
    assert earlier_records(folder) == []


def test_every_sweep_set_aside_is_kept(folder, planned):
    for _ in range(3):
        leave_behind(folder, planned)
        assert earlier_records(folder) == []
    assert len(list(folder.iterdir())) == 3


def test_a_line_torn_by_a_crash_does_not_hide_the_trials(folder, planned, started):
    leave_behind(folder, planned, started)
    with (folder / "journal.jsonl").open("a") as stream:
        stream.write('{"kind": "rung", "tri')
    assert [record.kind for record in earlier_records(folder)] == ["planned", "trial_started"]


def test_damage_before_the_last_line_is_not_passed_over(folder, planned, started):
    leave_behind(folder, planned, started)
    text = (folder / "journal.jsonl").read_text()
    (folder / "journal.jsonl").write_text(text.replace('"seq"', '"se', 1))
    with pytest.raises(CorruptJournal, match=r"journal\.jsonl:1"):
        earlier_records(folder)


def verdict(time):
    return Confirmed(champion=None, verdict="no configuration is distinguishable", time=time)


@pytest.mark.parametrize(
    ("tail", "trials", "confirms", "finished"),
    [
        ([ended(), ENDED], 1, False, True),
        ([ended(state="STOPPED"), ENDED], 1, False, True),
        ([ended()], 1, False, False),  # its process died before the last line
        ([ended(), ENDED], 2, False, False),  # more are asked for
        ([ended(state="KILLED"), ENDED], 1, False, False),
        ([ended(), ENDED], 1, True, False),  # not confirmed yet
        ([ended(), verdict(60.0), ENDED], 1, True, True),
        ([ended(), verdict(40.0), ENDED], 1, True, False),  # confirmed before its last trial
        ([ended(state="FAILED"), ENDED], 1, True, True),  # nothing there to confirm
    ],
)
def test_a_sweep_is_finished_when_nothing_is_left_to_do(
    planned, started, tail, trials, confirms, finished
):
    state = fold([planned, started, *tail])
    assert is_finished(state, trials, confirms) is finished


def plan_of(**sections):
    plan = {
        "name": "nightly",
        "store": "/store",
        "space": {"parameters": {"beta": {"low": 0.1, "high": 0.5}}},
        "control": {"beta": 0.1},
        "sweep": {
            "training": {"max_steps": 60},
            "search": {"trials": 12, "seed": 0},
            "budget": {"hours": None},
            "confirm": None,
        },
    }
    for dotted, value in sections.items():
        *path, last = dotted.split("__")
        inner = plan
        for key in path:
            inner = inner[key]
        inner[last] = value
    return plan


def began_with(planned, **sections):
    return fold([planned.model_copy(update={"plan": plan_of(**sections)})])


def test_what_a_sweep_costs_and_how_far_it_goes_may_change(planned):
    state = began_with(planned)
    changes = {"sweep__search__trials": 32, "sweep__budget__hours": 5.0, "store": "/elsewhere"}
    refuse_changes(state, plan_of(**changes))
    refuse_changes(state, plan_of(sweep__confirm={"top": 3}))


def test_another_question_is_refused_with_what_differs(planned):
    other = plan_of(
        space__parameters={"beta": {"low": 0.1, "high": 1.0}, "lora_rank": {"choices": [2, 4]}},
        sweep__training={"max_steps": 80},
    )
    with pytest.raises(ChangedSweep) as caught:
        refuse_changes(began_with(planned), other)
    assert caught.value.exit_code == 2
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("the sweep nightly asked something else before")
    assert lines[1:-1] == [
        "  space.parameters.beta.high: 0.5, now 1.0",
        "  space.parameters.lora_rank: nothing, now {'choices': [2, 4]}",
        "  sweep.training.max_steps: 60, now 80",
    ]
    assert lines[-1].startswith("choose another --name, or take the change back")


def test_a_key_that_an_older_version_did_not_know_is_no_change(planned):
    now = plan_of(sweep__training={"max_steps": 60, "use_rslora": False})
    refuse_changes(began_with(planned), now)


def test_a_value_that_a_journal_has_starred_out_is_not_compared(planned):
    before = began_with(planned, sweep__training={"max_kl_per_token": "***"})
    refuse_changes(before, plan_of(sweep__training={"max_kl_per_token": 0.7}))


def test_other_rows_are_refused_by_their_hash():
    refuse_other_content("nightly", {"data": "a"}, {"data": "a", "model": "b"})
    with pytest.raises(ChangedSweep, match=r"data: a, now c"):
        refuse_other_content("nightly", {"data": "a"}, {"data": "c"})


@pytest.fixture
def asked(small_plan):
    """Make a journal of so many finished trials for the plan that is then asked about."""

    def ask(wish, *records, name):
        plan = small_plan("search.trials=2", name=name)
        if records:
            first = records[0].model_copy(update={"plan": plan.to_dict()})
            leave_behind(plan.folder, first, *records[1:])
        return trials_asked(plan, wish)

    return ask


def test_trials_may_be_asked_for_by_number_or_added_to_a_finished_sweep(asked, planned, started):
    both = [
        planned,
        started,
        ended(),
        started.model_copy(update={"trial": 1}),
        ended(1),
        ENDED,
    ]
    assert asked(None, name="asked-0") == 2
    assert asked("7", name="asked-0") == 7
    assert asked("+20", *both, name="asked-1") == 22
    with pytest.raises(ConfigError, match="adds to a finished sweep, and asked-2 is not finished"):
        asked("+20", *both[:-1], name="asked-2")
    with pytest.raises(ConfigError, match="asked-3 has not begun"):
        asked("+20", name="asked-3")
    for wrong in ("0", "-3", "many", "+"):
        with pytest.raises(ConfigError, match=r"must be a number, or \+ and a number"):
            asked(wrong, name="asked-4")


def test_what_was_asked_for_once_stays_asked_for(asked, planned, started, small_plan):
    longer = small_plan("search.trials=9", name="asked-5").to_dict()
    resumed = SweepResumed(plan=longer, host="h", pid=2, versions={})
    assert asked(None, planned, started, ended(), resumed, name="asked-5") == 9
