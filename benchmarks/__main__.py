"""`python -m benchmarks`: this platform beside what people do today, and beside the floor."""

import json
from pathlib import Path
from subprocess import SubprocessError
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.comparisons import Comparison, comparisons
from benchmarks.help import HELP
from benchmarks.machine import describe_machine, load_average
from benchmarks.measures import TableName, measures, take, title_of
from benchmarks.measuring import PatternFailed, run
from benchmarks.ratios import Bar, bars
from benchmarks.tables import as_json, print_bars, print_comparison, print_figures
from benchmarks.task import PATTERNS, STOPPING, Row
from benchmarks.threads import Threads
from benchmarks.timeline import Timeline

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command(help=HELP)
def bench(
    quick: Annotated[bool, typer.Option("--quick", help="Fewer trials, same lengths.")] = False,
    only: Annotated[TableName | None, typer.Option(help="Make one table.")] = None,
    out: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures there, too.")
    ] = None,
) -> None:
    """Run the command line; the text of --help stands in benchmarks/help.py."""
    console = Console()
    machine = describe_machine()
    _introduce(machine, console)
    measured: dict[str, dict[Row, Timeline]] = {}
    single: dict[str, dict[str, float]] = {}
    found: list[Bar] = []
    try:
        for comparison in comparisons(quick, only):
            measured[comparison.name] = _compare(comparison, console)
            print_comparison(comparison, measured[comparison.name], console)
        found += bars(measured)
        for name in measures(only):
            console.print(f"{name}: load average {load_average()}", style="dim")
            single[name], own = take(name)
            print_figures(title_of(name), single[name], console)
            found += own
    except (PatternFailed, SubprocessError) as error:
        console.print(str(error), markup=False, highlight=False)
        raise typer.Exit(1) from None
    print_bars(found, console)
    console.print(f"load average at the end: {load_average()}", style="dim")
    if out is not None:
        figures = {"machine": machine, "single": single, **as_json(measured, found)}
        out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _introduce(machine: dict[str, str], console: Console) -> None:
    console.print(", ".join(f"{name} {value}" for name, value in machine.items()), style="dim")
    for pattern, description in PATTERNS.items():
        console.print(f"({pattern}) {description}", highlight=False)
    console.print(f" +  {STOPPING}", highlight=False)


def _compare(comparison: Comparison, console: Console) -> dict[Row, Timeline]:
    found, threads = dict[Row, Timeline](), Threads(comparison)
    for row, count in comparison.trials.items():
        console.print(
            f"{comparison.name}: ({row[0]}){row[1:]} runs {count} trials; "
            f"load average {load_average()}",
            style="dim",
        )
        found[row] = run(comparison, row, threads=threads.of(row))
    return found


if __name__ == "__main__":
    app()
