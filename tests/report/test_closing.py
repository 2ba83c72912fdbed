"""The end of a sweep writes its page, and no page can keep a sweep from ending."""

import pytest

from dpo_ray.errors import BudgetSpent, Interrupted
from dpo_ray.report.closing import close_journal
from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.records import ArtifactWritten, SweepEnded
from tests.report.made import made
from tests.report.reading import Read


@pytest.fixture
def journal(tmp_path):
    found = Journal.create(tmp_path / "journal.jsonl")
    for record in made(3)[:-1]:
        found.append(record, sync=False)
    yield found
    found.close()


def test_the_page_is_the_last_thing_before_the_end_and_knows_it(journal, tmp_path):
    state = close_journal(journal, tmp_path, BudgetSpent("budget.hours=1 is spent"))
    *_, artifact, end = read_journal(journal.path)
    page = tmp_path / "report.html"
    assert isinstance(artifact, ArtifactWritten)
    assert (artifact.path, artifact.trial, artifact.folder) == (str(page), None, "")
    assert isinstance(end, SweepEnded)
    assert state.own_file("report.html") == str(page)
    said = Read(page.read_text()).said
    assert "Ended with exit code 5: budget.hours=1 is spent" in said
    assert "Best of the search: beta 0.1" in said


def test_where_nobody_waits_nothing_is_drawn_and_the_end_is_written(journal, tmp_path):
    before = len(read_journal(journal.path))
    state = close_journal(journal, tmp_path, Interrupted("interrupted by SIGINT, twice"), False)
    (end,) = read_journal(journal.path)[before:]
    assert (end.exit_code, state.ended.reason) == (130, "interrupted by SIGINT, twice")
    assert [path.name for path in tmp_path.iterdir()] == ["journal.jsonl"]


def test_a_page_that_cannot_be_written_is_missed_and_the_sweep_ends(journal, tmp_path):
    (tmp_path / "report.html").mkdir()
    with pytest.warns(RuntimeWarning, match=r"report\.html was not written"):
        state = close_journal(journal, tmp_path, None)
    assert state.ended.exit_code == 0
    assert state.own_file("report.html") is None
