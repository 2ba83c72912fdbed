"""`python -m benchmarks`: this platform beside the documented pattern and a plain loop."""

import json
from pathlib import Path
from subprocess import SubprocessError, TimeoutExpired
from typing import Annotated

import typer
from rich.console import Console

from benchmarks.comparisons import Comparison, comparisons
from benchmarks.machine import describe_machine, load_average
from benchmarks.measures import TableName, measures, take, title_of
from benchmarks.measuring import PatternFailed, run
from benchmarks.ratios import Bar, bars
from benchmarks.tables import as_json, print_bars, print_comparison, print_figures
from benchmarks.task import PATTERNS, Pattern
from benchmarks.timeline import Timeline

HELP = """Measure this platform beside what people do today, on the shipped plan.

\b
marginal  8-step trials one at a time: what does a further trial cost?
            (a) 8 trials, (b) 3 (its trials take most of a minute), (c) 8
total     the shipped 12 trials of 60 steps: what does a whole sweep take?
            (a) in its two slots, (c) in one process, as such a loop runs
reference a trial's step with stored reference scores, beside TRL's defaults
workers   preparing the same pairs with one warm worker and with two
rows      preparing 10,000 and 100,000 rows: does memory stay, does time grow in line?

\b
The same: seeded list of configurations (the control, then random draws), steps,
batch, learning rate, beta and adapter. Evaluation and early stopping are off.
Each pattern runs alone in a fresh process with empty caches, timed from its
start to its exit: imports, Ray, data, and for (a) preparing, the journal and
MLflow count. (b) and (c) are stock TRL: reference in the loop, activation
checkpointing on, the trained checkpoint saved.
(c) runs on one thread and again on PyTorch's default, and the faster counts:
a second thread helps on an idle machine and costs a multiple on a busy one. A
trial of (a) or (b) has the one thread that Ray gives it.
(b) runs in the same lean Ray session as (a), so it starts somewhat faster than
in a stock one. Ray's workers run at a low priority: on a busy machine (a) and
(b) give way where (c) does not.

What is measured is printed, expected or not; the exit code does not depend on it.
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command(help=HELP)
def bench(
    quick: Annotated[bool, typer.Option("--quick", help="Fewer trials, same lengths.")] = False,
    only: Annotated[TableName | None, typer.Option(help="Make one table.")] = None,
    out: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures there, too.")
    ] = None,
) -> None:
    """Run the command line; the text of --help stands in HELP."""
    console = Console()
    machine = describe_machine()
    _introduce(machine, console)
    measured: dict[str, dict[Pattern, Timeline]] = {}
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


def _compare(comparison: Comparison, console: Console) -> dict[Pattern, Timeline]:
    found = {}
    for pattern in comparison.trials:
        console.print(
            f"{comparison.name}: ({pattern}) runs {comparison.trials[pattern]} trials; "
            f"load average {load_average()}",
            style="dim",
        )
        found[pattern] = _faster_loop(comparison) if pattern == "c" else run(comparison, pattern)
    return found


def _faster_loop(comparison: Comparison) -> Timeline:
    """Run (c) on one thread, then on PyTorch's default, no longer than it takes to lose."""
    one = run(comparison, "c", threads=1)
    try:
        return min(one, run(comparison, "c", limit_s=one.total), key=lambda each: each.total)
    except TimeoutExpired:
        return one


if __name__ == "__main__":
    app()
