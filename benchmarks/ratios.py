"""What the figures are held against."""

import operator
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.task import Pattern
from benchmarks.timeline import Timeline, ratio

Timelines = Mapping[Pattern, Timeline]


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


def bars(measured: Mapping[str, Timelines]) -> list[Bar]:
    """Compare what was measured; what was left out is left out here as well."""
    return [*_marginal(measured.get("marginal", {})), *_total(measured.get("total", {}))]


def _marginal(found: Timelines) -> Iterator[Bar]:
    if {"a", "b"} <= found.keys():
        value = ratio(found["b"].marginal, found["a"].marginal)
        if value is not None:
            yield Bar("A further trial of 8 steps, (b) / (a)", value, ">=", 10)
    yield from _gaps("one slot", found)


def _total(found: Timelines) -> Iterator[Bar]:
    if {"a", "c"} <= found.keys():
        value = ratio(found["c"].total, found["a"].total)
        if value is not None:
            yield Bar("A whole sweep, (c) / (a)", value, ">=", 1.2)
    yield from _gaps("two slots", found)


def _gaps(where: str, found: Timelines) -> Iterator[Bar]:
    gap = found["a"].largest_gap if "a" in found else None
    if gap is not None:
        yield Bar(f"Largest gap of (a), {where}", gap, "<=", 1.5, " s")
