"""What a search has met so far, and whether that is a reason to end it."""

from dpo_ray.config.budget import BudgetConfig
from dpo_ray.errors import DpoRayError
from dpo_ray.search.ending import Facts, reason_to_end
from dpo_ray.search.room import RoomWatch
from dpo_ray.slots.events import Ended
from dpo_ray.tracking.trial_row import trial_name
from dpo_ray.training.jobs import Outcome


class Progress:
    """What this process's search has met so far; shared by the pump's thread and the driver's.

    Failures of an earlier process do not count: whoever starts a sweep again has mended something.
    """

    def __init__(self, budget: BudgetConfig, room: RoomWatch | None = None) -> None:
        """`room` watches over slots that may have no place; None: every slot has one."""
        self._budget = budget
        self.room = room
        self._failures: list[str] = []
        self._in_a_row = 0
        self._fatal: Outcome | None = None
        self._problem: DpoRayError | None = None
        self.signal: str | None = None
        self.twice = False
        """Whether it came a second time: nobody is waited for any more."""

    def note(self, event: Ended) -> None:
        """Take a trial's end into account; broken text is a result, and no failure."""
        outcome = event.outcome
        if outcome.state == "FAILED" and not outcome.by_limits:
            self._failures.append(f"{trial_name(event.trial)}: {outcome.reason}")
            self._in_a_row += 1
        elif outcome.state != "KILLED":
            self._in_a_row = 0
        if outcome.fatal is not None:
            self._fatal = outcome

    def give_up(self, problem: DpoRayError) -> None:
        """Have the sweep end with an error of the driver's own."""
        self._problem = problem

    def check(self) -> None:
        """Raise the reason to end, if there is one: for whoever waits outside the search."""
        reason = self.reason()
        if reason is not None:
            raise reason

    def reason(self) -> DpoRayError | None:
        """Return why the search must end now, or None."""
        if self._problem is not None:
            return self._problem
        roomless = "" if self.room is None else self.room.trouble()
        facts = Facts(tuple(self._failures), self._in_a_row, self._fatal, self.signal, roomless)
        return reason_to_end(facts, self._budget)
