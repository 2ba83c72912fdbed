"""The figures on the screen and as JSON."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.comparisons import Comparison
from benchmarks.ratios import Bar, Timelines, over_floor
from benchmarks.timeline import Timeline

COLUMNS = {
    "trials": "trials",
    "steps": "steps",
    "total": "total",
    "per_trial": "a trial",
    "marginal": "one more",
    "over_floor": "x floor",
    "cpu_s": "CPU s",
    "peak_mib": "MiB",
    "accuracy": "acc",
    "margin": "margin",
}
DECIMALS = {"trials": 0, "steps": 0, "peak_mib": 0, "cpu_s": 0, "accuracy": 3, "over_floor": 2}
CAPTION = (
    "Seconds of wall time. steps: optimizer steps of all trials; total: process start to exit; a "
    "trial: total / trials; one more: what each further trial adds, from trial end to trial end; x "
    "floor: one more, in units of (e)'s; CPU s: user and system time of the whole process tree, "
    "sampled every 0.5 s; MiB: peak of the tree's summed PSS, sampled every 2 s; acc, margin: of "
    "the best trial that ran to its end, share of held-out pairs with D > 0, and mean D in nats."
)


def print_comparison(comparison: Comparison, measured: Timelines, console: Console) -> None:
    """Print one line per pattern, and one where it stops early."""
    table = Table(title=comparison.title, title_justify="left", caption=CAPTION)
    table.caption_justify = "left"
    table.add_column("")
    for heading in COLUMNS.values():
        table.add_column(heading, justify="right")
    for row, timeline in measured.items():
        table.add_row(f"({row[0]}){row[1:]}", *_cells(_figures(timeline, measured)))
    console.print(table)
    for row, timeline in measured.items():
        for note in _notes(timeline):
            console.print(Text(f"({row[0]}){row[1:]} {note}", style="dim"))


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
        name: {row: _figures(each, timelines) for row, each in timelines.items()}
        for name, timelines in measured.items()
    }
    return {
        "tables": tables,
        "bars": [{"name": bar.name, "value": bar.value, "rule": bar.rule} for bar in bars],
    }


def _notes(timeline: Timeline) -> Iterator[str]:
    yield f"start-up, until the first optimizer step: {timeline.start_up:.1f} s"
    for what, seconds in timeline.seen.spent.items():
        yield f"{what}: {seconds:.1f} s of its start-up"
    if timeline.seen.gaps:
        yield (
            f"from a trial's end to the next one's first step: median {timeline.median_gap:.1f} s, "
            f"largest {timeline.largest_gap:.1f} s"
        )
    if timeline.seen.threads is not None:
        yield f"threads: {timeline.seen.threads}, the faster choice"


def _cells(figures: Mapping[str, Any]) -> list[str]:
    return [
        "-" if figures[key] is None else f"{figures[key]:.{DECIMALS.get(key, 1)}f}"
        for key in COLUMNS
    ]


def _figures(timeline: Timeline, measured: Timelines) -> dict[str, Any]:
    usage, best = timeline.usage, timeline.best
    return {
        "trials": timeline.trials,
        "steps": timeline.seen.steps,
        "total": timeline.total,
        "start_up": timeline.start_up,
        "per_trial": timeline.per_trial,
        "marginal": timeline.marginal,
        "over_floor": over_floor(timeline, measured),
        "cpu_s": usage and usage.cpu_s,
        "peak_mib": usage and usage.peak_mib,
        "accuracy": best and best.accuracy,
        "margin": best and best.margin,
        "median_gap": timeline.median_gap,
        "largest_gap": timeline.largest_gap,
        "gaps": list(timeline.seen.gaps),
        "spent": timeline.seen.spent,
        "threads": timeline.seen.threads,
    }
