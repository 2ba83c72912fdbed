"""What a running sweep has spent, and what a trial costs it: read off the journal as it grows."""

import time
from collections.abc import Callable

from dpo_ray.config.budget import BudgetConfig
from dpo_ray.config.sweep import SweepConfig
from dpo_ray.search.budgets import (
    Expected,
    Spent,
    confirmation_seconds,
    is_spent,
    may_start,
    seconds_left,
    spent_sentence,
)
from dpo_ray.tracking.records import (
    CONFIRMATIONS,
    AnyRecord,
    RungReached,
    SlotsOpened,
    TrainMetrics,
    TrialEnded,
    TrialResumed,
    TrialStarted,
)
from dpo_ray.tracking.state import SweepState


class Meter:
    """Listens to the journal and answers what the budget allows.

    Appending threads write, the driver's reads; every field is replaced whole.
    """

    def __init__(
        self,
        sweep: SweepConfig,
        past: SweepState,
        slots: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._sweep, self._slots, self._clock = sweep, slots, clock
        self._before = past.seconds, past.gpu_seconds
        self._began = clock()
        self._opened, self._gpus = self._began, 0.0
        self._started: dict[int, tuple[float, int, int]] = {}
        self._guess: float | None = None
        rows = past.with_status("COMPLETED")
        self._longest = max((row.seconds for row in rows), default=0.0)
        self.search_spent = False
        """No further trial of the search was allowed to start, or go on."""

    def __call__(self, record: AnyRecord) -> None:
        """Take in the next record: how fast trials advance is what a whole one takes."""
        match record:
            case SlotsOpened():
                self._opened, self._gpus = record.time, record.gpus
            case TrialStarted(trial=trial):
                self._started[trial] = record.time, 0, record.total_steps
            case TrialResumed(trial=trial, step=step):
                self._started[trial] = record.time, step, record.total_steps
            case TrainMetrics() | RungReached() if record.trial in self._started:
                self._guess = self._extrapolated(record)
            case TrialEnded(state="COMPLETED") if record.trial < CONFIRMATIONS:
                self._longest = max(self._longest, record.seconds)

    @property
    def budget(self) -> BudgetConfig:
        """The sweep's own."""
        return self._sweep.budget

    def spent(self) -> Spent:
        """Return what the sweep has used up to now, earlier processes included."""
        now, (wall_s, gpu_s) = self._clock(), self._before
        held = self._gpus * (now - self._opened)
        return Spent(wall_s + now - self._began, gpu_s + held, self._gpus)

    def may_start(self) -> bool:
        """Whether a new trial of the search would end in time; a no stands."""
        left = seconds_left(self.budget, self.spent())
        self.search_spent = self.search_spent or not may_start(self.budget, left, self._expected())
        return not self.search_spent

    def search_is_over(self) -> bool:
        """Whether the search's time and its grace are over, so that its trials are cancelled."""
        left = seconds_left(self.budget, self.spent())
        over = is_spent(self.budget, left, self._expected().confirm_s)
        self.search_spent = self.search_spent or over
        return over

    def all_is_over(self) -> bool:
        """Whether the whole budget and its grace are over."""
        return is_spent(self.budget, seconds_left(self.budget, self.spent()))

    def sentence(self) -> str:
        """Say what was spent of what."""
        return spent_sentence(self.budget, self.spent())

    def _expected(self) -> Expected:
        trial_s = self._longest or self._guess
        return Expected(trial_s, confirmation_seconds(self._sweep.confirm, trial_s, self._slots))

    def _extrapolated(self, record: TrainMetrics | RungReached) -> float | None:
        """Return what a whole trial will take; the first steps are slow, so rather too much."""
        began, first, total = self._started[record.trial]
        if record.step <= first:
            return self._guess
        return (record.time - began) / (record.step - first) * total
