"""What an interrupted trial goes on from stays until the journal has its end, and goes then."""

from pathlib import Path

import pytest

from dpo_ray.data.trial_files import HALVED, resume_folder, resume_folders
from dpo_ray.search.event_records import to_record
from dpo_ray.search.trial_ends import TrialEnds, tidy_up
from dpo_ray.slots.events import Ended
from dpo_ray.tracking.journal import Journal
from dpo_ray.training.jobs import Outcome
from tests.search.test_going_on import ended, started, story

STAYS = {"COMPLETED": False, "STOPPED": False, "FAILED": False, "KILLED": True}


def with_checkpoint(folder):
    """Make a trial's folder with all that only an interrupted one needs."""
    resume_folder(folder, 4).mkdir(parents=True)
    (folder / ".resume-00006").mkdir()
    (folder / HALVED).touch()
    return folder


@pytest.mark.parametrize(("state", "stays"), STAYS.items(), ids=STAYS)
@pytest.mark.parametrize("trial", [1, 10_001], ids=["search", "confirmation"])
def test_a_trial_that_is_over_keeps_no_checkpoint(tmp_path, trial, state, stays):
    folder, noted = with_checkpoint(tmp_path / "t"), []
    event = Ended(trial, Outcome(state, "because", step=4))
    journal = Journal.create(tmp_path / "journal.jsonl")
    journal.append(begun(trial, folder))
    ends = TrialEnds(noted.append, journal)
    journal.append(to_record(event))
    assert resume_folders(folder) == [resume_folder(folder, 4)]
    ends(event)
    journal.close()
    assert noted == [event]
    assert bool(list(folder.iterdir())) == stays


def test_what_a_driver_did_not_live_to_remove_goes_with_the_next(tmp_path):
    folders = [with_checkpoint(tmp_path / f"t{number}") for number in range(5)]
    state = story(
        tmp_path,
        *(started(number, folder) for number, folder in enumerate(folders)),
        *(ended(number, 4, name) for number, name in enumerate(STAYS)),
    )
    tidy_up(state)
    assert [bool(list(folder.iterdir())) for folder in folders] == [*STAYS.values(), True]


def begun(trial, folder):
    confirms = 0 if trial > 10_000 else None
    return started(trial, folder).model_copy(update={"confirms": confirms})


def test_a_checkpoint_that_cannot_be_removed_ends_no_sweep(tmp_path, monkeypatch):
    """It is done in the thread that follows all slots."""

    def refuse(path, missing_ok=False):
        raise PermissionError(path)

    folder = with_checkpoint(tmp_path / "t")
    monkeypatch.setattr(Path, "unlink", refuse)
    tidy_up(story(tmp_path, started(1, folder), ended(1)))
    assert [path.name for path in folder.iterdir()] == [HALVED]
