"""What a page is made of: rooms with words, tables and charts. Plain values, no HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

NOTHING = "-"
"""Stands where nothing was measured."""


@dataclass(frozen=True)
class Cell:
    """A table's cell: what is read, and what its column is sorted by, where that differs."""

    text: str
    sort: float | str | None = None
    more: str = ""
    """Opens below the text."""
    is_number: bool = False


@dataclass(frozen=True)
class Row:
    """A table's row; `mark` is `best`, `default`, `reference`, `quiet`, or nothing."""

    cells: Sequence[Cell]
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """A table with its caption; the first cell of each row names the row."""

    caption: str
    heads: Sequence[str]
    rows: Sequence[Row]
    is_sortable: bool = False


@dataclass(frozen=True)
class Chart:
    """A plotly figure as JSON values, `words` say what it shows to who cannot see it."""

    id: str
    title: str
    figure: Mapping[str, Any]
    words: str
    height: int = 320
    is_wide: bool = False


@dataclass(frozen=True)
class Answer:
    """One prompt with both answers; scores are the judge's."""

    prompt: str
    reference: str
    policy: str
    verdict: str
    chosen_as: str
    reference_score: str = ""
    policy_score: str = ""


@dataclass(frozen=True)
class Fold:
    """A text that opens on demand, or a command that is shown at once and can be copied."""

    title: str
    text: str
    is_open: bool = False


@dataclass(frozen=True)
class Room:
    """A section of the page: whatever it has, in this order."""

    id: str
    title: str
    words: Sequence[str] = ()
    charts: Sequence[Chart] = ()
    legend: Sequence[str] = ()
    """Kinds of points that its charts show, by the names of `charts.LEGEND`."""
    picture: bytes | None = None
    """A PNG of the charts, for where no scripts run."""
    tables: Sequence[Table] = ()
    answers: Sequence[Answer] = ()
    folds: Sequence[Fold] = field(default=())


def number_cell(value: float | None, text: str | None = None) -> Cell:
    """Return a right-aligned cell; a value that is missing or none sorts last."""
    if value is None or not isfinite(value):
        return Cell(NOTHING if text is None else text, is_number=True)
    return Cell(f"{value:.2f}" if text is None else text, sort=value, is_number=True)
