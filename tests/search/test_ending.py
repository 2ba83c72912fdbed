import pytest

from dpo_ray.config.budget import BudgetConfig
from dpo_ray.errors import (
    BudgetSpent,
    ClusterUnreachable,
    DataError,
    Interrupted,
    NoTrialCompleted,
    ReferenceMismatch,
    StoreUnwritable,
    TooManyFailures,
)
from dpo_ray.search.ending import Facts, fatal_error, reason_to_end, shortfall
from dpo_ray.search.progress import Progress
from dpo_ray.slots.events import Ended
from dpo_ray.training.jobs import Outcome

WRONG = Outcome("FAILED", "step 0: ...", fatal="reference")


def test_a_search_without_trouble_goes_on():
    assert reason_to_end(Facts(), BudgetConfig(failures=1)) is None


def test_the_failure_that_reaches_the_budget_ends_the_search():
    assert reason_to_end(Facts(failures=("a",)), BudgetConfig(failures=2)) is None
    error = reason_to_end(Facts(failures=("t01: a", "t04: b")), BudgetConfig(failures=2))
    assert isinstance(error, TooManyFailures)
    assert str(error) == (
        "2 trials failed and budget.failures=2 ends the sweep there; the last one: t04: b"
    )


def test_a_persons_wish_comes_before_everything_else():
    error = reason_to_end(Facts(failures=("a",), fatal=WRONG, signal="SIGINT"), BudgetConfig())
    assert isinstance(error, Interrupted)
    assert error.exit_code == 130


@pytest.mark.parametrize(
    ("completed", "done", "spent", "kind"),
    [
        (3, 4, None, None),
        (3, 4, "1 of 1 hours", None),  # its last trial took it
        (2, 3, "1 of 1 hours", BudgetSpent),
        (0, 0, "1 of 1 hours", BudgetSpent),  # and no trial had the time to complete
        (0, 4, None, NoTrialCompleted),
    ],
)
def test_a_search_that_came_to_its_end_may_fall_short_of_it(completed, done, spent, kind):
    assert type(shortfall(completed, done, 4, spent)) is (kind or type(None))


@pytest.mark.parametrize(
    ("fatal", "kind"),
    [
        ("reference", ReferenceMismatch),
        ("workers", ClusterUnreachable),
        ("data", DataError),
        ("store", StoreUnwritable),
    ],
)
def test_an_end_that_concerns_all_trials_has_its_own_kind(fatal, kind):
    error = fatal_error(Outcome("FAILED", "because", fatal=fatal))
    assert type(error) is kind
    assert str(error) == "because"


def test_progress_counts_failed_trials_and_no_others():
    progress = Progress(BudgetConfig(failures=2))
    for trial, state in enumerate(("COMPLETED", "STOPPED", "KILLED", "FAILED")):
        progress.note(Ended(trial, Outcome(state, "reason")))
    assert progress.reason() is None
    progress.note(Ended(4, Outcome("FAILED", "again")))
    assert isinstance(progress.reason(), TooManyFailures)


def test_a_wrong_reference_ends_the_search_at_the_first_trial():
    progress = Progress(BudgetConfig())
    progress.note(Ended(0, WRONG))
    assert isinstance(progress.reason(), ReferenceMismatch)


def ends(progress, *states, by_limits=False):
    for trial, state in enumerate(states):
        progress.note(Ended(trial, Outcome(state, "reason", by_limits=by_limits)))
    return progress.reason()


def test_a_driver_that_gives_up_says_why():
    progress = Progress(BudgetConfig())
    progress.give_up(StoreUnwritable("the journal cannot be written"))
    with pytest.raises(StoreUnwritable, match="cannot be written"):
        progress.check()


def test_failures_one_after_another_end_the_search_sooner():
    budget = BudgetConfig(failures=9, failures_in_a_row=3)
    assert ends(Progress(budget), "FAILED", "FAILED", "COMPLETED", "FAILED", "FAILED") is None
    error = ends(Progress(budget), "COMPLETED", "FAILED", "FAILED", "FAILED")
    assert isinstance(error, TooManyFailures)
    assert str(error) == (
        "3 trials failed one after another and budget.failures_in_a_row=3 ends the sweep there; "
        "the last one: t03: reason"
    )


def test_broken_text_is_a_finding_and_ends_a_row_of_failures():
    budget = BudgetConfig(failures=2, failures_in_a_row=2)
    assert ends(Progress(budget), *["FAILED"] * 5, by_limits=True) is None
