"""`python -m benchmarks.scale`: does a sweep's driver slow down as its trials add up?

The real driver over slots that rehearse: searcher, scheduler, Tune, journal, console and MLflow
mirror do what they do in every sweep, only the training is a formula. CPU seconds are this
process's own; the slots and Tune's trial actors are other processes.
"""

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.comparisons import SPACE, SWEEP
from benchmarks.machine import describe_machine, load_average
from benchmarks.scale_meter import Mark, Meter
from dpo_ray.cluster.session import ray_session
from dpo_ray.plan import Plan, make_plan

SCREEN = {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}
"""The console draws its live table, as on a terminal, into nothing."""
MIRROR_S = 3600.0
ALLOWED = 1.5

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command(help=__doc__)
def scale(
    trials: Annotated[int, typer.Option(help="Trials of the search.")] = 1000,
    slots: Annotated[int, typer.Option(help="Trials at once.")] = 16,
    sampler: Annotated[str, typer.Option(help="tpe or random.")] = "tpe",
    scheduler: Annotated[str, typer.Option(help="asha or none.")] = "asha",
    window: Annotated[int, typer.Option(help="Trials in each part that is compared.")] = 200,
    mirror: Annotated[bool, typer.Option(help="Mirror to MLflow on SQLite as well.")] = True,
    cold: Annotated[
        float,
        typer.Option(help="Seconds a slot's first trial takes: Tune's actors start meanwhile."),
    ] = 60.0,
    out: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures there, too.")
    ] = None,
) -> None:
    """Run the command line; the module's text is its help."""
    if trials < 2 * window + slots:
        raise typer.BadParameter(
            f"--trials must be at least twice --window and --slots more, got {trials=}, "
            f"{window=}, {slots=}"
        )
    screen = Console()
    screen.print(", ".join(f"{name} {value}" for name, value in describe_machine().items()))
    screen.print(f"load average {load_average()}")
    overrides = [
        *(f"search.trials={trials}", f"search.concurrent={slots}", f"search.sampler={sampler}"),
        *(f"search.scheduler.type={scheduler}", "confirm=null"),
    ]
    with tempfile.TemporaryDirectory(prefix="dpo-ray-scale-") as folder:
        plan = make_plan(SPACE, SWEEP, overrides, Path(folder))
        driver, mirrored, figures = measure(plan, mirror, cold)
    parts = {"driver": windows(driver.marks, slots, window)}
    if mirror:
        parts["mirror"] = windows(mirrored.marks, slots, window)
    for name, compared in parts.items():
        screen.print(as_table(name, compared, window))
    for name, value in figures.items():
        screen.print(f"{name}: {value:,.2f}")
    if out is not None:
        out.write_text(json.dumps({"figures": figures, "windows": parts}, indent=2) + "\n")


def measure(plan: Plan, mirror: bool, cold_s: float) -> tuple[Meter, Meter, dict[str, float]]:
    """Rehearse a plan, and return its driver's costs, its mirror's, and figures of the whole."""
    os.environ.update(SCREEN)
    driver, mirrored = Meter(), Meter()
    began = time.monotonic()
    with ray_session(None):
        _wrap(driver)
        searched = time.monotonic()
        figures = _sweep(plan, driver, mirrored, mirror, cold_s)
        figures["seconds of the whole search"] = figures.pop("ended") - searched
    return driver, mirrored, figures | {"seconds in all": time.monotonic() - began}


def _sweep(
    plan: Plan, driver: Meter, mirrored: Meter, mirror: bool, cold_s: float
) -> dict[str, float]:
    from dpo_ray.report.closing import close_journal
    from dpo_ray.search.rehearsal import opening_lines, rehearse_search
    from dpo_ray.slots.rehearsal import RehearsalShape
    from dpo_ray.tracking.console import SweepConsole
    from dpo_ray.tracking.earlier import JOURNAL
    from dpo_ray.tracking.journal import Journal
    from dpo_ray.tracking.mlflow_mirror import MlflowMirror
    from dpo_ray.tracking.mlflow_server import default_uri

    journal = Journal.create(plan.folder / JOURNAL)
    follower = MlflowMirror(journal.path, default_uri(plan.store), "scale")
    with (
        open(os.devnull, "w") as nowhere,
        SweepConsole(plan.name, plan.sweep.search.trials, nowhere) as console,
    ):
        journal.subscribe(console)
        for line in opening_lines(plan):
            journal.append(line)
        journal.subscribe(Counting(driver, journal.path))
        if mirror:
            _watch_mirror(mirrored)
            follower.start()
        rehearse_search(plan, journal, RehearsalShape(cold_s=cold_s))
        ended, cpu = time.monotonic(), time.process_time()
        close_journal(journal, plan.folder, None)
        figures = {"ended": ended, "seconds to close the journal": time.monotonic() - ended}
        figures["CPU seconds to close the journal"] = time.process_time() - cpu
        if mirror:
            closing = time.monotonic()
            whole = follower.close(MIRROR_S)
            figures["seconds the mirror is behind at the end"] = time.monotonic() - closing
            figures["mirror is complete"] = float(whole)
    journal.close()
    return figures


class Counting:
    """A journal's listener that marks the meter at each trial's end."""

    def __init__(self, meter: Meter, path: Path) -> None:
        self._meter, self._path = meter, path
        self._ended = self._reports = self._lines = 0

    def __call__(self, record: Any) -> None:
        """Count the record."""
        self._lines += 1
        self._reports += record.kind == "rung"
        if record.kind == "trial_ended":
            self._ended += 1
            size = self._path.stat().st_size / 2**20
            self._meter.mark(
                self._ended, reports=self._reports, lines=self._lines, journal_MiB=size
            )


def _wrap(meter: Meter) -> None:
    """Time the driver's parts at their boundaries."""
    from ray.tune.schedulers import FIFOScheduler

    from dpo_ray.search.recorder import Recorder
    from dpo_ray.search.schedulers import RungScheduler
    from dpo_ray.search.study import StudySearch
    from dpo_ray.tracking.console import SweepConsole
    from dpo_ray.tracking.journal import Journal

    meter.wrap(StudySearch, ["suggest"], "sampler: proposing")
    meter.wrap(StudySearch, ["on_trial_result", "on_trial_complete"], "sampler: told results")
    for scheduler in (RungScheduler, FIFOScheduler):
        meter.wrap(scheduler, ["on_trial_result", "on_trial_complete"], "scheduler")
    meter.wrap(Recorder, ["on_trial_result"], "recorder")
    meter.wrap(Journal, ["append"], "journal")
    meter.wrap(SweepConsole, ["__call__"], "console: records")
    meter.wrap(SweepConsole, ["_render"], "console: pictures")


def _watch_mirror(meter: Meter) -> None:
    """Mark the meter when the mirror itself has come to a trial's end."""
    from dpo_ray.tracking.mlflow_runs import SweepRuns

    calls = SweepRuns.calls
    ended = 0

    def watched(self: Any, record: Any) -> Any:
        nonlocal ended
        if record.kind == "trial_ended":
            ended += 1
            meter.mark(ended)
        return calls(self, record)

    SweepRuns.calls = watched  # type: ignore[method-assign]


def windows(marks: list[Mark], slots: int, size: int) -> dict[str, dict[str, list[float]]]:
    """Return CPU milliseconds per trial, by part, in the first, the middle and the last window.

    The first begins when every slot has had a trial. Counts come as they were at each window's
    end and as they grew in it per trial.
    """
    last = len(marks) - 1
    middle = (slots + last - size) // 2
    spans = [(slots, slots + size), (middle, middle + size), (last - size, last)]
    parts = sorted({part for mark in marks for part in mark.cpu})
    names = sorted(marks[-1].counts)
    return {
        "cpu_ms": {
            part: [
                1000 * (marks[b].cpu.get(part, 0.0) - marks[a].cpu.get(part, 0.0)) / (b - a)
                for a, b in spans
            ]
            for part in parts
        },
        "per_trial": {
            name: [(marks[b].counts[name] - marks[a].counts[name]) / (b - a) for a, b in spans]
            for name in names
        },
        "at_end": {name: [marks[b].counts[name] for _, b in spans] for name in names},
    }


def as_table(name: str, compared: dict[str, dict[str, list[float]]], window: int) -> Table:
    """Lay the windows side by side, with the ratio of the last to the first."""
    table = Table(title=f"{name}, windows of {window} trials")
    for heading in ("", "first", "middle", "last", "last / first"):
        table.add_column(heading, justify="left" if not heading else "right")
    for group, unit in (("cpu_ms", "CPU ms a trial"), ("per_trial", "a trial"), ("at_end", "then")):
        for part, (first, middle, last) in compared[group].items():
            if max(first, middle, last) >= 0.005:
                ratio = f"{last / first:.2f}" if first > 0 else ""
                shown = [f"{value:,.2f}" for value in (first, middle, last)]
                table.add_row(f"{part}, {unit}", *shown, ratio)
    return table


if __name__ == "__main__":
    app()
