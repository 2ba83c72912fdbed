"""Arithmetic on when things happened."""

from dataclasses import dataclass
from operator import attrgetter
from statistics import median

from benchmarks.task import Observed, Quality
from benchmarks.usage import Usage


@dataclass(frozen=True)
class Timeline:
    """One pattern's run from the start of its process to that process's end, in Unix seconds."""

    began: float
    finished: float
    seen: Observed
    usage: Usage | None = None
    """What its processes used, where that was watched."""

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
        """Seconds that each further trial adds; None where there is none.

        From trial end to trial end, so that neither start-up nor clean-up is in it. Of trials
        that run together the first ones end together: what is further begins after as many ends.
        """
        further = self.trials - self.seen.together
        if further < 1:
            return None
        ended = sorted(self.seen.ended)
        return (ended[-1] - ended[self.seen.together - 1]) / further

    @property
    def best(self) -> Quality | None:
        """The most accurate policy that was trained to its end; of equals the largest margin."""
        return max(self.seen.whole, key=attrgetter("accuracy", "margin"), default=None)

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
