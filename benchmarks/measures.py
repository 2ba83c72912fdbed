"""Tables that compare two ways of our own, or look into one, each by one program."""

from importlib import import_module
from typing import Literal

from benchmarks.comparisons import SPACE, SWEEP
from benchmarks.ratios import Bar

TableName = Literal[
    "marginal", "total", "wide", "reference", "workers", "profile", "rows", "mirror"
]
MODULES: dict[str, str] = {
    "reference": "reference_cost",
    "workers": "workers",
    "profile": "profiling",
    "rows": "many_rows",
    "mirror": "mirroring",
}
ASKED_FOR = ("rows", "mirror")
"""Minutes that say nothing of speed beside others: made only by name."""


def measures(only: str | None) -> list[str]:
    """Return the names to measure: all but those made by name alone, or the one asked for."""
    return [name for name in MODULES if only == name or (only is None and name not in ASKED_FOR)]


def title_of(name: str) -> str:
    """Return what the table is about."""
    return str(import_module(f"benchmarks.{MODULES[name]}").TITLE)


def take(name: str) -> tuple[dict[str, float], list[Bar]]:
    """Measure: figures by name, and what they are held against."""
    module = import_module(f"benchmarks.{MODULES[name]}")
    figures: dict[str, float]
    found: list[Bar]
    figures, found = module.measure(SPACE, SWEEP)
    return figures, found
