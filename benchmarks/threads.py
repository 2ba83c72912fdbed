"""How many threads a loop in one process is given: whatever serves it better."""

from subprocess import TimeoutExpired

from benchmarks.comparisons import Comparison
from benchmarks.measuring import run
from benchmarks.task import Pattern, Row, pattern_of
from benchmarks.timeline import Timeline

ALIKE: dict[Pattern, Pattern] = {"c": "c", "d": "c", "e": "e"}
"""Whose rehearsal tells for whom: (c) and (d) do the same in each trial."""
PATIENCE = 2.0


class Threads:
    """One comparison's choices, each made when it is first asked for.

    One thread and PyTorch's default are tried on two short trials each. A second thread helps on
    an idle machine and costs a multiple on a busy one.
    """

    def __init__(self, comparison: Comparison) -> None:
        self._comparison = comparison
        self._chosen: dict[Pattern, int | None] = {}

    def of(self, row: Row) -> int | None:
        """Return the number to set; None leaves a loop PyTorch's default, Ray's workers Ray's."""
        like = ALIKE.get(pattern_of(row))
        if like is None:
            return None
        if like not in self._chosen:
            self._chosen[like] = self._rehearse(row)
        return self._chosen[like]

    def _rehearse(self, row: Row) -> int | None:
        short = self._comparison.rehearsal(row)
        one = run(short, row, threads=1)
        try:
            default = run(short, row, limit_s=PATIENCE * one.total)
        except TimeoutExpired:
            return 1
        return faster(one, default)


def faster(one: Timeline, default: Timeline) -> int | None:
    """Return 1 where a further trial was quicker on one thread, else None."""
    return 1 if (one.marginal or 0.0) < (default.marginal or 0.0) else None
