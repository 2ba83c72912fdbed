"""`python -m tests.faults.soak`: does a sweep of very many short trials use up its machine?

One slot, so that one worker trains them all. The resident memory and the open files of the worker
and of the driver, and the objects that Ray keeps, are looked at when a trial ends; the last 100
trials are compared with trials 50 to 150, when all that is loaded once has been.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Annotated, Any

import psutil
import typer
from rich.console import Console
from rich.table import Table

from tests.faults.invariants import hold
from tests.faults.life import WORKER, Life, Sweep, name_of

FROM, SPAN = 50, 100
GROWTH = 1.05
"""So much more the last window may hold of memory."""
MORE = 5.0
"""So many more open files or objects."""
OBJECTS_EVERY = 10
OBJECTS = 10_000
TRIES = 5
END_S = 3600.0
MIB = 2**20

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command(help=__doc__)
def soak(
    trials: Annotated[int, typer.Option(min=2 * SPAN + FROM, help="Trials in one slot.")] = 500,
    steps: Annotated[int, typer.Option(help="Optimizer steps of a trial.")] = 8,
    out: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write every look there, too.")
    ] = None,
) -> None:
    """Run the command line; the module's text is its help."""
    folder = tempfile.mkdtemp(prefix="dpo-ray-soak-")
    screen = Console(highlight=False)
    screen.print(f"All that is written lies in {folder}")
    with _cluster() as address:
        settings = (
            f"search.trials={trials}",
            f"training.max_steps={steps}",
            "search.concurrent=1",
            "search.scheduler.type=none",
            "evaluation.at=[1.0]",
        )
        sweep = Sweep(Path(folder) / "store", "soak", settings, cluster=address, echo=False)
        looks = Looks(sweep)
        with sweep.begin() as life:
            while life.alive:
                assert time.monotonic() - life.began < END_S, f"{looks.ended} trials in {END_S} s"
                looks.look(life)
                life.rest(0.1)
            ended = life.wait(0)
        state = hold(sweep, ended, code=0, within_s=END_S)
        assert len(state.with_status("COMPLETED")) == trials
        figures = looks.figures
        for name, values in figures.items():
            assert len(values) == trials, f"{name} was looked at {len(values)} times"
        seconds = state.seconds
    if out is not None:
        out.write_text(json.dumps(figures) + "\n")
    grown = {name: _windows(values) for name, values in figures.items()}
    shutil.rmtree(folder)
    screen.print(_table(grown, trials))
    screen.print(f"{trials} trials of {steps} steps in one slot, {seconds / 60:.1f} min")
    if not all(_is_flat(name, *windows) for name, windows in grown.items()):
        raise typer.Exit(1)


@contextmanager
def _cluster() -> Iterator[str]:
    """A Ray of this process, so that what it keeps can be asked for."""
    import ray

    from dpo_ray.cluster.session import quiet

    quiet()
    context = ray.init(
        address="local",
        num_cpus=2,
        dashboard_host="127.0.0.1",
        log_to_driver=False,
        logging_level="ERROR",
    )
    yield context.address_info["gcs_address"]
    ray.shutdown()


@dataclass
class Looks:
    """What was seen at the end of each trial, by name."""

    sweep: Sweep
    figures: dict[str, list[float]] = field(default_factory=dict)
    _read: int = 0
    ended: int = 0
    _worker: Any = None
    _objects: float = 0.0

    def look(self, life: Life) -> None:
        """Look at all processes once for each trial that has ended since."""
        for _ in range(self._news()):
            self.ended += 1
            if self.ended % OBJECTS_EVERY == 1:
                self._objects = _objects_kept(self.sweep.cluster)
            for name, process in (("worker", self._found()), ("driver", psutil.Process(life.pid))):
                self._note(f"{name}, MiB", process.memory_info().rss / MIB)
                self._note(f"{name}, open files", float(process.num_fds()))
            self._note("Ray objects", self._objects)

    def _note(self, name: str, value: float) -> None:
        self.figures.setdefault(name, []).append(value)

    def _news(self) -> int:
        """Return how many trials have ended since the last look."""
        if not self.sweep.journal.exists():
            return 0
        with self.sweep.journal.open("rb") as file:
            file.seek(self._read)
            found = file.read()
        whole = found[: found.rfind(b"\n") + 1]
        self._read += len(whole)
        return whole.count(b'"kind":"trial_ended"')

    def _found(self) -> Any:
        """Return the one worker; another one in its place would spoil the comparison."""
        if self._worker is None:
            below = psutil.Process().children(recursive=True)
            (self._worker,) = [each for each in below if name_of(each).startswith(WORKER)]
        return self._worker


def _objects_kept(cluster: str | None) -> float:
    """Count the objects of this Ray, which may not be the machine's only one. Where some are not
    told of, as of a worker that leaves, ask again.

    Raises:
        RayStateApiException: it is never told of all, or there are more than anybody can see.
    """
    from ray.util.state import list_objects
    from ray.util.state.exception import RayStateApiException

    for _ in range(TRIES - 1):
        with suppress(RayStateApiException):
            return float(len(list_objects(address=cluster, limit=OBJECTS)))
        time.sleep(1)
    return float(len(list_objects(address=cluster, limit=OBJECTS)))


def _windows(values: list[float]) -> tuple[float, float]:
    """Return the means of trials 50 to 150 and of the last 100."""
    return mean(values[FROM : FROM + SPAN]), mean(values[-SPAN:])


def _is_flat(name: str, early: float, late: float) -> bool:
    return late <= early * GROWTH if name.endswith("MiB") else late <= early + MORE


def _table(grown: dict[str, tuple[float, float]], trials: int) -> Table:
    table = Table(title="Soak: means over 100 trials", title_justify="left")
    headings = ("", f"{FROM} to {FROM + SPAN}", f"{trials - SPAN} to {trials}", "change", "flat")
    for heading in headings:
        table.add_column(heading, justify="left" if not heading else "right")
    for name, (early, late) in grown.items():
        change = f"{100 * (late / early - 1):+.1f} %" if early else f"{late - early:+.1f}"
        flat = "yes" if _is_flat(name, early, late) else "NO"
        table.add_row(name, f"{early:.1f}", f"{late:.1f}", change, flat)
    return table


if __name__ == "__main__":
    app()
