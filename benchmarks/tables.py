"""The figures on the screen and as JSON."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.comparisons import Comparison
from benchmarks.ratios import Bar
from benchmarks.task import Pattern
from benchmarks.timeline import Timeline

COLUMNS = ("trials", "total", "start-up", "per trial", "one more", "gap", "largest gap")
CAPTION = (
    "Seconds of wall time. total: process start to exit; start-up: until the first optimizer "
    "step; per trial: total / trials; one more: what each trial after the first adds, from trial "
    "end to trial end; gap: from a trial's end to the next one's first step in the same slot or "
    "process, the median and the largest."
)

Timelines = Mapping[Pattern, Timeline]


def print_comparison(comparison: Comparison, measured: Timelines, console: Console) -> None:
    """Print one row per pattern."""
    table = Table(title=comparison.title, title_justify="left", caption=CAPTION)
    table.caption_justify = "left"
    table.add_column("")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for pattern, timeline in measured.items():
        table.add_row(f"({pattern})", str(timeline.trials), *_cells(timeline))
    console.print(table)
    for pattern, timeline in measured.items():
        for note in _notes(timeline):
            console.print(Text(f"({pattern}) {note}", style="dim"))


def print_figures(title: str, figures: Mapping[str, float], console: Console) -> None:
    """Print one figure a line."""
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column("")
    table.add_column("", justify="right")
    for name, value in figures.items():
        table.add_row(name, f"{value:.2f}")
    console.print(table)


def print_bars(bars: list[Bar], console: Console) -> None:
    """Print what was measured against what was expected, met or not."""
    for bar in bars:
        style = "green" if bar.met else "red"
        console.print(Text.assemble(f"{bar.name}: ", (f"{bar.value:.2f}", style), f" ({bar.rule})"))


def as_json(measured: Mapping[str, Timelines], bars: list[Bar]) -> dict[str, Any]:
    """Return all that was measured as JSON values."""
    tables = {
        name: {pattern: _figures(each) for pattern, each in timelines.items()}
        for name, timelines in measured.items()
    }
    return {
        "tables": tables,
        "bars": [{"name": bar.name, "value": bar.value, "rule": bar.rule} for bar in bars],
    }


def _notes(timeline: Timeline) -> Iterator[str]:
    for what, seconds in timeline.seen.spent.items():
        yield f"{what}: {seconds:.1f} s of its start-up"
    if timeline.seen.threads is not None:
        yield f"threads: {timeline.seen.threads}, the faster choice"


def _cells(timeline: Timeline) -> list[str]:
    figures = _figures(timeline)
    shown = ("total", "start_up", "per_trial", "marginal", "median_gap", "largest_gap")
    return ["-" if figures[key] is None else f"{figures[key]:.1f}" for key in shown]


def _figures(timeline: Timeline) -> dict[str, Any]:
    return {
        "trials": timeline.trials,
        "total": timeline.total,
        "start_up": timeline.start_up,
        "per_trial": timeline.per_trial,
        "marginal": timeline.marginal,
        "median_gap": timeline.median_gap,
        "largest_gap": timeline.largest_gap,
        "gaps": list(timeline.seen.gaps),
        "spent": timeline.seen.spent,
        "threads": timeline.seen.threads,
    }
