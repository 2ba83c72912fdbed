"""What the figures are held against."""

import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.task import Row
from benchmarks.timeline import Timeline, ratio

Timelines = Mapping[Row, Timeline]
"""A comparison's lines."""
ACCURACY_LOST = 0.02
"""What early stopping may cost the best trial's accuracy on held-out pairs."""


@dataclass(frozen=True)
class Bar:
    """One measured value and where it was expected to lie."""

    name: str
    value: float
    sign: str
    """`>=` or `<=`."""
    expected: float
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether the value lies where it was expected."""
        compare = {">=": operator.ge, "<=": operator.le}[self.sign]
        return bool(compare(self.value, self.expected))

    @property
    def rule(self) -> str:
        """The expectation in words."""
        return f"expected {self.sign} {self.expected:g}{self.unit}"


def over_floor(timeline: Timeline, measured: Timelines) -> float | None:
    """Return a further trial's seconds in units of the floor's."""
    return ratio(timeline.marginal, measured["e"].marginal) if "e" in measured else None


def bars(measured: Mapping[str, Timelines]) -> list[Bar]:
    """Compare what was measured; what was left out is left out here as well."""
    return [
        *_marginal(measured.get("marginal", {})),
        *_total(measured.get("total", {})),
        *_wide(measured.get("wide", {})),
    ]


def _marginal(found: Timelines) -> Iterator[Bar]:
    if {"a", "b"} <= found.keys():
        value = ratio(found["b"].marginal, found["a"].marginal)
        if value is not None:
            yield Bar("A further trial of 8 steps, (b) / (a)", value, ">=", 10)
    yield from _gaps("one slot", found)


def _total(found: Timelines) -> Iterator[Bar]:
    yield from _totals("The shipped plan", found, "a", ("c", "d"), 1.3)
    yield from _totals("The shipped plan, both stopping early", found, "a+", ("d+",), 1.3)
    yield from _quality("shipped plan", found)
    yield from _gaps("two slots", found)


def _wide(found: Timelines) -> Iterator[Bar]:
    yield from _totals("Wide, equal training", found, "a", ("c", "d"), 1.5)
    yield from _totals("Wide, (a) alone stopping early", found, "a+", ("c", "d"), 2.5)
    yield from _totals("Wide, both stopping early", found, "a+", ("d+",), 1.5)
    yield from _quality("wide", found)
    value = over_floor(found["a"], found) if "a" in found else None
    if value is not None:
        yield Bar("Wide, a further trial, (a) / (e)", value, "<=", 2.0)


def _totals(
    what: str, found: Timelines, ours: Row, theirs: tuple[Row, ...], least: float
) -> Iterator[Bar]:
    for row in theirs:
        if {ours, row} <= found.keys():
            value = found[row].total / found[ours].total
            yield Bar(f"{what}, total, {_shown(row)} / {_shown(ours)}", value, ">=", least)


def _quality(what: str, found: Timelines) -> Iterator[Bar]:
    """Whether stopping early lost the best: without this, it would be no gain."""
    if not {"a", "a+"} <= found.keys():
        return
    whole, halved = found["a"].best, found["a+"].best
    if whole is not None and halved is not None:
        lost = whole.accuracy - halved.accuracy
        yield Bar(f"Best accuracy lost by stopping early, {what}", lost, "<=", ACCURACY_LOST)


def _shown(row: Row) -> str:
    return f"({row[0]}){row[1:]}"


def _gaps(where: str, found: Timelines) -> Iterator[Bar]:
    gap = found["a"].largest_gap if "a" in found else None
    if gap is not None:
        yield Bar(f"Largest gap of (a), {where}", gap, "<=", 1.5, " s")
