"""`dpo-ray doctor`: is everything there that a sweep needs, and what to do where it is not."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from dpo_ray.commands.findings import Finding, exit_code
from dpo_ray.config.loading import load_sweep
from dpo_ray.config.sweep import SweepConfig
from dpo_ray.exits import errors_on_screen
from dpo_ray.output import AsJson, give_json, messages, results
from dpo_ray.sweep import Overrides, Store

HELP = """Look whether all is there that a sweep needs.

Versions, CPUs, memory and GPUs, the Ray cluster and its token, the store's disk, the model hub, the
tracking server, and what to do about each. With --sweep, what that file asks for: its cluster, its
server, its hub model. Nothing is changed, and nothing is started.

\b
Examples:
  dpo-ray doctor
  dpo-ray doctor --sweep sweeps/local.yaml
  dpo-ray doctor --sweep sweeps/local.yaml --set tracking.uri=http://mlflow:5000
  dpo-ray doctor --json | jq '.findings[] | select(.state != "ok")'

\b
Exit codes: 0 nothing failed, warnings perhaps; 1 something failed; 2 the sweep file is wrong; 7 the
only thing that failed is a server that does not answer.
"""
STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def doctor(
    sweep_file: Annotated[
        Path | None, typer.Option("--sweep", help="A sweep file, to look at what it asks for.")
    ] = None,
    overrides: Overrides = None,
    store: Store = Path("store"),
    as_json: AsJson = False,
) -> None:
    """Run the command; the text of --help stands in HELP."""
    with errors_on_screen():
        sweep = None if sweep_file is None else load_sweep(sweep_file, overrides or [])
        with messages().status("Looking around"):
            found = list(examine(sweep, store.absolute()))
        code = exit_code(found)
        if as_json:
            give_json({"exit_code": code, "findings": [asdict(each) for each in found]})
        else:
            _tell(found)
        if code:
            raise typer.Exit(code)


def examine(sweep: SweepConfig | None, store: Path) -> Iterator[Finding]:
    """Yield every finding; `sweep` is None where no sweep file was named."""
    from dpo_ray.commands import examining

    yield from examining.versions()
    yield from examining.machine()
    yield from examining.ray_cluster(sweep)
    yield examining.store_disk(store)
    yield examining.hub_access(sweep)
    yield examining.tracking(sweep, store)


def _tell(found: list[Finding]) -> None:
    console = results()
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, show_header=False)
    table.add_column("state", no_wrap=True)
    table.add_column("what", no_wrap=True)
    table.add_column("found", overflow="fold")
    for each in found:
        told = Text(each.found)
        if each.advice:
            told.append(f"\n-> {each.advice}", style="bold")
        table.add_row(Text(each.state, STYLES[each.state]), Text(each.what), told)
    console.print(table)
    bad = [each.state for each in found if each.state != "ok"]
    sums = f"{bad.count('fail')} failed, {bad.count('warn')} to look at" if bad else "all is well"
    console.print(f"{len(found)} things looked at: {sums}", highlight=False)
