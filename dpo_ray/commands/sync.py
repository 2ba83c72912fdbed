"""`dpo-ray sync NAME`: a sweep's runs in MLflow, written anew from its journal."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dpo_ray.cluster.lock import is_locked
from dpo_ray.commands.finding import Name, sweep_folder
from dpo_ray.commands.tracked import Tracked, tracked
from dpo_ray.config.redaction import redact_text
from dpo_ray.errors import SweepLocked, TrackingUnreachable
from dpo_ray.exits import errors_on_screen
from dpo_ray.output import AsJson, give_json, messages, results
from dpo_ray.sweep import Store
from dpo_ray.tracking.earlier import JOURNAL
from dpo_ray.tracking.mlflow_links import address

if TYPE_CHECKING:
    from dpo_ray.tracking.mlflow_mirror import MlflowMirror

HELP = """Write a sweep into MLflow from its journal.

Runs, tables, adapters, the comparison. What is there already stays as it is, so it may be
repeated, or sent to a second server while the sweep runs. NAME is a sweep of the store, or its
folder.

\b
Examples:
  dpo-ray sync beta-1a2b3c4d                                # where the sweep tracks by itself
  dpo-ray sync beta-1a2b3c4d --to http://mlflow:5000
  dpo-ray sync beta-1a2b3c4d --to sqlite:////data/all.db --experiment everything
  dpo-ray sync /backup/sweeps/beta-1a2b3c4d --to http://mlflow:5000 --json

A server's user and password: MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD.

\b
Exit codes: 0 done; 2 no such sweep, or no such kind of server; 6 the sweep runs and writes there
by itself; 7 the server does not answer, or did not take all of it.
"""
PATIENCE_S = 60.0
"""Without any progress for so long, the server is taken to be gone."""
LOOK_S = 0.2


def sync(
    name: Name,
    to: Annotated[
        str | None,
        typer.Option(metavar="URI", help="MLflow server or database.", show_default="its own"),
    ] = None,
    experiment: Annotated[
        str | None, typer.Option(help="MLflow experiment.", show_default="its own")
    ] = None,
    store: Store = Path("store"),
    as_json: AsJson = False,
) -> None:
    """Run the command; the text of --help stands in HELP."""
    with errors_on_screen():
        sweep = tracked(sweep_folder(store, name), to, experiment)
        if sweep.own and is_locked(sweep.folder):
            raise SweepLocked(f"{sweep.name} runs, and writes to {redact_text(sweep.uri)} itself")
        from dpo_ray.tracking.mlflow_mirror import MlflowMirror  # of no use to --help

        mirror = MlflowMirror(sweep.folder / JOURNAL, sweep.uri, sweep.experiment)
        complete = _follow(mirror, sweep)
        if mirror.problems or not complete:
            raise TrackingUnreachable(_lacking(mirror, sweep))
        written, _ = mirror.progress
        link = address(sweep.uri, mirror.view or "")
        if as_json:
            give_json(
                {
                    "sweep": sweep.name,
                    "uri": redact_text(sweep.uri),
                    "experiment": sweep.experiment,
                    "run_id": mirror.parent_run_id,
                    "records": written,
                    "link": link,
                }
            )
        else:
            said = f"{sweep.name}: {written:,} lines of its journal are in {redact_text(sweep.uri)}"
            results().print(f"{said}\n{link}", markup=False, highlight=False, soft_wrap=True)


def _follow(mirror: "MlflowMirror", sweep: Tracked) -> bool:
    """Follow to the journal's end, showing how far it is; whether all of it was written."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeElapsedColumn as Elapsed

    mirror.start()
    mirror.finish()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, Elapsed(), console=messages(), transient=True) as bar:
        task = bar.add_task(f"{sweep.name} to MLflow", total=sweep.lines)
        idle, before = 0.0, -1
        while idle < PATIENCE_S:
            if mirror.wait(LOOK_S):
                return mirror.complete
            bar.update(task, completed=mirror.progress[0])
            idle = idle + LOOK_S if mirror.calls == before else 0.0
            before = mirror.calls
    return False


def _lacking(mirror: "MlflowMirror", sweep: Tracked) -> str:
    written, _ = mirror.progress
    problems = "; ".join(mirror.problems) or f"no answer for {PATIENCE_S:g} s"
    return (
        f"{redact_text(sweep.uri)} lacks a part of {sweep.name} ({written:,} of {sweep.lines:,} "
        f"lines are there): {problems}; the same command goes on"
    )
