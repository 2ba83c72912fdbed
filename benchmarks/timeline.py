"""Arithmetic on when things happened."""

from dataclasses import dataclass
from statistics import median

from benchmarks.task import Observed


@dataclass(frozen=True)
class Timeline:
    """One pattern's run from the start of its process to that process's end, in Unix seconds."""

    began: float
    finished: float
    seen: Observed

    @property
    def trials(self) -> int:
        """How many trials ended."""
        return len(self.seen.ended)

    @property
    def total(self) -> float:
        """Seconds from process start to process end: imports, start-up, clean-up and all."""
        return self.finished - self.began

    @property
    def start_up(self) -> float:
        """Seconds until the first optimizer step is done."""
        return self.seen.first_step - self.began

    @property
    def per_trial(self) -> float:
        """The total, shared evenly."""
        return self.total / self.trials

    @property
    def marginal(self) -> float | None:
        """Seconds that each trial after the first adds; None where there is only one.

        From trial end to trial end, so that neither start-up nor clean-up is in it.
        """
        if self.trials < 2:
            return None
        return (max(self.seen.ended) - min(self.seen.ended)) / (self.trials - 1)

    @property
    def largest_gap(self) -> float | None:
        """The slowest change of trials in one slot, in seconds."""
        return max(self.seen.gaps, default=None)

    @property
    def median_gap(self) -> float | None:
        """The usual change of trials in one slot, in seconds."""
        return median(self.seen.gaps) if self.seen.gaps else None


def ratio(over: float | None, under: float | None) -> float | None:
    """Return over / under, or None where either is missing."""
    return None if over is None or not under else over / under
