"""Ctrl-C while a sweep writes its last lines: the end stands in the journal, and says so."""

from types import SimpleNamespace

import pytest

from dpo_ray import stages
from dpo_ray.errors import Interrupted
from dpo_ray.report import closing
from dpo_ray.tracking.journal import Journal, read_journal
from tests.report.made import made


class Mirror:
    """One that takes everything, unless somebody presses Ctrl-C meanwhile; notes its patience."""

    def __init__(self, interrupted: bool = False) -> None:
        self.interrupted, self.patience, self.problems = interrupted, 0.0, []

    def start(self) -> None:
        """Begin."""

    def close(self, patience: float) -> bool:
        self.patience = patience
        if self.interrupted:
            raise KeyboardInterrupt
        return True


@pytest.fixture
def close(tmp_path):
    """Close a sweep of three trials; return how that ended, and its journal's last line."""
    journal = Journal.create(tmp_path / "journal.jsonl")
    for record in made(3)[:-1]:
        journal.append(record, sync=False)
    plan, screen = SimpleNamespace(folder=tmp_path), SimpleNamespace(stage=lambda text: None)

    def close_it(mirror, problem=None):
        closed = stages._close(journal, mirror, plan, problem, screen)
        return closed, read_journal(journal.path)[-1]

    yield close_it
    journal.close()


def test_whoever_does_not_wait_for_mlflow_is_told_how_it_gets_the_rest(close, tmp_path):
    closed, end = close(Mirror(interrupted=True))
    assert (closed.problem, end.kind, end.exit_code) == (None, "sweep_ended", 0)
    assert "nobody waited for it" in closed.missing
    assert f"dpo-ray sync {tmp_path} writes the rest" in closed.missing


def test_one_ctrl_c_leaves_out_the_pictures_and_most_of_the_waiting(close, monkeypatch, tmp_path):
    def pressed(*_):
        raise KeyboardInterrupt

    mirror = Mirror()
    with monkeypatch.context() as patch:
        patch.setattr(closing, "sweep_pictures", pressed)
        closed, end = close(mirror)
    assert isinstance(closed.problem, Interrupted)
    assert (end.exit_code, end.reason) == (130, "interrupted while it was drawn")
    assert (mirror.patience, closed.missing) == (stages.HURRIED_S, "")
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(("at_once", "patience"), [(True, 5.0), (False, 120.0)])
def test_only_who_asked_twice_is_in_a_hurry(close, at_once, patience):
    problem, mirror = Interrupted("interrupted by SIGINT"), Mirror()
    problem.at_once = at_once
    close(mirror, problem)
    assert mirror.patience == patience
