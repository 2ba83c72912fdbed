"""What a name's earlier sweep means for the next one."""

from pathlib import Path

import pytest

from dpo_ray.errors import CorruptJournal, UnfinishedSweep
from dpo_ray.tracking.earlier import earlier_sweep
from dpo_ray.tracking.journal import Journal
from dpo_ray.tracking.records import Record, SweepEnded, TrialEnded


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "sweeps" / "nightly"


def leave_behind(folder: Path, *records: Record) -> None:
    journal = Journal.create(folder / "journal.jsonl")
    for record in records:
        journal.append(record)
    journal.close()


def test_a_new_name_has_no_past(folder):
    assert earlier_sweep(folder) is None
    folder.mkdir(parents=True)
    assert earlier_sweep(folder) is None
    assert list(folder.iterdir()) == []


def test_a_finished_sweep_is_given_back(example_journal):
    state = earlier_sweep(example_journal.parent)
    assert state is not None
    assert state.ended is not None
    assert state.ended.exit_code == 0
    assert len(state.trials) == 12
    assert example_journal.exists()


@pytest.mark.parametrize(
    ("ended", "end"),
    [
        ([], "its process died"),
        (
            [SweepEnded(exit_code=130, reason="interrupted by Ctrl-C")],
            "it ended with: interrupted by Ctrl-C",
        ),
    ],
)
def test_an_unfinished_sweep_says_what_to_do(folder, planned, started, ended, end):
    done = TrialEnded(trial=0, state="COMPLETED", reason="ran all its steps", step=60, seconds=9.0)
    second = started.model_copy(update={"trial": 1})
    leave_behind(folder, planned, started, done, second, *ended)
    with pytest.raises(UnfinishedSweep) as caught:
        earlier_sweep(folder)
    assert caught.value.exit_code == 2
    assert str(caught.value) == (
        "the sweep nightly began earlier and did not finish: 1 of 2 started trials have "
        f"results, {end}. To run it again choose another --name, or remove {folder}; "
        "the prepared data is reused either way"
    )
    assert (folder / "journal.jsonl").exists()


@pytest.mark.parametrize("ended", [[], [SweepEnded(exit_code=2, reason="no row is left")]])
def test_a_sweep_without_trials_is_set_aside(folder, planned, ended):
    leave_behind(folder, planned, *ended)
    before = (folder / "journal.jsonl").read_text()
    assert earlier_sweep(folder) is None
    (aside,) = folder.iterdir()
    assert aside.match("journal-*.jsonl")
    assert aside.read_text() == before
    assert earlier_sweep(folder) is None


def test_every_sweep_set_aside_is_kept(folder, planned):
    for _ in range(3):
        leave_behind(folder, planned)
        assert earlier_sweep(folder) is None
    assert len(list(folder.iterdir())) == 3


def test_a_line_torn_by_a_crash_does_not_hide_the_trials(folder, planned, started):
    leave_behind(folder, planned, started)
    with (folder / "journal.jsonl").open("a") as stream:
        stream.write('{"kind": "rung", "tri')
    with pytest.raises(UnfinishedSweep, match="0 of 1 started trials"):
        earlier_sweep(folder)


def test_damage_before_the_last_line_is_not_passed_over(folder, planned, started):
    leave_behind(folder, planned, started)
    text = (folder / "journal.jsonl").read_text()
    (folder / "journal.jsonl").write_text(text.replace('"seq"', '"se', 1))
    with pytest.raises(CorruptJournal, match=r"journal\.jsonl:1"):
        earlier_sweep(folder)
