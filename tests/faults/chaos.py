"""`python -m tests.faults.chaos`: a sweep under random kills, and whether it lost anything.

Workers die about every 30 s; about every 120 s a slot, the driver (the same command is given again
at once) or the tracking server (which is started again at once). At the end every trial must be
accounted for, once, nothing may be left behind, and MLflow must hold what the journal holds.
"""

import shutil
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Annotated

import psutil
import typer
from rich.console import Console
from rich.table import Table

from dpo_ray.errors import TrackingUnreachable
from tests.faults.blows import RARE, Blow, plan_blows
from tests.faults.invariants import hold, mlflow_is_the_journal
from tests.faults.life import SLOT, WORKER, Ended, Life, Sweep, processes
from tests.tracking.server import free_port, kill, mlflow_server

STEPS = 150
NOBODY_S = 20.0
"""So long a blow waits for somebody to strike: workers may be on their way."""
END_S = 900.0
LOOK_S = 1.0

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command(help=__doc__)
def chaos(
    minutes: Annotated[float, typer.Option(help="How long it goes on.")] = 20.0,
    trials: Annotated[int, typer.Option(help="Trials of the sweep.")] = 40,
    slots: Annotated[int, typer.Option(help="Trials at once.")] = 2,
    steps: Annotated[int, typer.Option(help="Optimizer steps of a trial.")] = STEPS,
    seed: Annotated[int, typer.Option(help="Of the plan of kills.")] = 0,
    worker_every: Annotated[float, typer.Option(help="Seconds, about.")] = 30.0,
    rare_every: Annotated[float, typer.Option(help="Seconds, about.")] = 120.0,
) -> None:
    """Run the command line; the module's text is its help."""
    blows = plan_blows(seed, 60 * minutes, worker_every, rare_every)
    folder = Path(tempfile.mkdtemp(prefix="dpo-ray-chaos-"))
    screen = Console(highlight=False)
    screen.print(f"{len(blows)} kills from seed {seed}; all that is written lies in {folder}")
    store, port = folder / "store", free_port()
    store.mkdir()
    sweep = Sweep(store, "chaos", _settings(trials, slots, steps, port), echo=False)
    with Server(store, port) as server:
        run = Chaos(sweep, server, blows)
        ended = run.go()
    screen.print(_table(run))
    state = hold(sweep, ended, code=0, within_s=END_S + 60 * minutes)
    lines = mlflow_is_the_journal(sweep)
    assert sorted(state.trials) == list(range(trials))
    statuses = Counter(
        # A finding about a configuration, which no kill has made.
        "beyond a limit of the evaluation" if row.by_limits else row.status
        for row in state.trials.values()
    )
    assert not {"FAILED", "KILLED", "RUNNING"} & set(statuses), statuses
    screen.print(
        f"{trials} trials in {run.seconds / 60:.1f} min and {len(state.lives)} lives of the driver:"
        f" {', '.join(f'{count} {status}' for status, count in statuses.items())}; none lost, none"
        f" twice, nobody left; MLflow holds the journal's {lines:,} lines of metrics, point for"
        " point."
    )
    shutil.rmtree(folder)


def _settings(trials: int, slots: int, steps: int, port: int) -> tuple[str, ...]:
    return (
        f"search.trials={trials}",
        f"search.concurrent={slots}",
        "search.scheduler.type=none",
        f"training.max_steps={steps}",
        "training.checkpoint_steps=10",
        "training.learning_rate=2.0e-4",  # gentle: no trial may fail by a limit
        "evaluation.at=[0.25, 0.5, 1.0]",
        "budget.retries=20",
        f"tracking.uri=http://127.0.0.1:{port}",
    )


class Server:
    """An MLflow server that may be killed, and then comes back by itself."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder, self._port = folder, port
        self._open = ExitStack()

    def __enter__(self) -> "Server":
        self._process = self._open.enter_context(mlflow_server(self._folder, self._port))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def strike(self) -> None:
        """Kill it, and start it again without waiting for it."""
        kill(self._process)
        again = mlflow_server(self._folder, self._port, wait=False)
        self._process = self._open.enter_context(again)


class Chaos:
    """One sweep and all that befalls it."""

    def __init__(self, sweep: Sweep, server: Server, blows: list[Blow]) -> None:
        self._sweep, self._server, self._blows = sweep, server, blows
        self.struck: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self.seconds = 0.0

    def go(self) -> Ended:
        """Run the sweep to its end, life after life."""
        began = time.monotonic()
        waiting = list(self._blows)
        while True:
            with self._sweep.begin() as life:
                while life.alive and waiting:
                    left = waiting[0].at_s - (time.monotonic() - began)
                    if left > 0:
                        life.rest(min(left, LOOK_S))
                    else:
                        self._strike(life, waiting.pop(0))
                if not (killed := life.killed):
                    ended = life.wait(END_S)
            # Begun while the server was on its way back: it says so at once, and is begun again.
            if not killed and ended.code != TrackingUnreachable.exit_code:
                self.seconds = time.monotonic() - began
                self.missed.update(blow.victim for blow in waiting)
                return ended

    def _strike(self, life: Life, blow: Blow) -> None:
        if blow.victim == "driver":
            life.kill()
        elif blow.victim == "server":
            self._server.strike()
        elif not self._end_one(life, WORKER if blow.victim == "worker" else SLOT, blow.pick):
            self.missed[blow.victim] += 1
            return
        self.struck[blow.victim] += 1

    def _end_one(self, life: Life, kind: str, pick: float) -> bool:
        """Kill one of its processes of a kind; False if there is none for a long time."""
        deadline = time.monotonic() + NOBODY_S
        while life.alive and time.monotonic() < deadline:
            found = sorted(processes(life, kind), key=lambda each: each.pid)
            if found:
                with suppress(psutil.NoSuchProcess):
                    found[int(pick * len(found))].kill()
                    return True
            life.rest(1)
        return False


def _table(run: Chaos) -> Table:
    table = Table(title="Chaos", title_justify="left")
    for heading in ("killed", "times", "nobody there, or all done"):
        table.add_column(heading, justify="left" if heading == "killed" else "right")
    for victim in ("worker", *RARE):
        table.add_row(victim, str(run.struck[victim]), str(run.missed[victim]))
    return table


if __name__ == "__main__":
    app()
