"""When a search must end before its last trial: a value, decided from facts."""

from dataclasses import dataclass

from dpo_ray.config.budget import BudgetConfig
from dpo_ray.errors import (
    BudgetSpent,
    ClusterUnreachable,
    DataError,
    DpoRayError,
    Interrupted,
    JudgingFailed,
    NoTrialCompleted,
    ReferenceMismatch,
    StoreUnwritable,
    TooManyFailures,
)
from dpo_ray.training.jobs import Fatal, Outcome

FATAL: dict[Fatal, type[DpoRayError]] = {
    "reference": ReferenceMismatch,
    "workers": ClusterUnreachable,
    "data": DataError,
    "judges": JudgingFailed,
    "store": StoreUnwritable,
}


@dataclass(frozen=True)
class Facts:
    """What has happened so far.

    Attributes:
        failures: reasons of failed trials, in order.
        in_a_row: how many have failed since the last that did not.
        fatal: the outcome that makes every trial wrong or impossible, if there was one.
        signal: the name of the signal that asked for an end, if one did.
        roomless: why no slot has had a place for too long, if none has.
    """

    failures: tuple[str, ...] = ()
    in_a_row: int = 0
    fatal: Outcome | None = None
    signal: str | None = None
    roomless: str = ""


def reason_to_end(facts: Facts, budget: BudgetConfig) -> DpoRayError | None:
    """Return the error the sweep ends with, or None to go on.

    A person's wish comes first, then what makes all trials wrong, then the failure budget:
    `budget.failures` failed trials are one too many when reached.
    """
    if facts.signal is not None:
        return Interrupted(f"interrupted by {facts.signal}")
    if facts.fatal is not None:
        return fatal_error(facts.fatal)
    if facts.roomless:
        return ClusterUnreachable(facts.roomless)
    if len(facts.failures) >= budget.failures:
        return TooManyFailures(
            f"{_trials(len(facts.failures))} failed and budget.failures={budget.failures} ends "
            f"the sweep there; the last one: {facts.failures[-1]}"
        )
    if budget.failures_in_a_row is not None and facts.in_a_row >= budget.failures_in_a_row:
        return TooManyFailures(
            f"{_trials(facts.in_a_row)} failed one after another and "
            f"budget.failures_in_a_row={budget.failures_in_a_row} ends the sweep there; "
            f"the last one: {facts.failures[-1]}"
        )
    return None


def shortfall(completed: int, done: int, asked: int, spent: str | None) -> DpoRayError | None:
    """Return why a search that came to its end has not done what was asked, or None.

    `done` counts all trials whose ends stand; `spent` says what of the budget was spent, where no
    further trial was allowed. That comes first: it is what the person can change.
    """
    if spent is not None and done < asked:
        return BudgetSpent(
            f"the budget was spent before the search was done, {spent}: {done} of {asked} trials "
            "ran; the same command with a larger budget goes on"
        )
    if not completed:
        return NoTrialCompleted("no trial ran to its end, so there is nothing to recommend")
    return None


def _trials(count: int) -> str:
    return f"{count} trial{'s' * (count != 1)}"


def fatal_error(outcome: Outcome) -> DpoRayError:
    """Return the error of an outcome that ends the whole sweep."""
    error = FATAL[outcome.fatal or "workers"](outcome.reason)
    error.trace = outcome.trace
    return error
