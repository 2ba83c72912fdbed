"""`python -m tests.faults.chaos`: a sweep under random kills, and whether it lost anything.

Workers die about every 30 s; about every 120 s a slot, the driver (the same command is given again
at once), the tracking server (which is started again at once) or a trial's stand-in in Tune, which
may fail its trial. At the end every other trial must be through, once, with what it had found
before the driver died; nothing may be left behind, and MLflow must hold what the journal holds.
"""

import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dpo_ray.search.recorder import FORSAKEN
from dpo_ray.tracking.state import SweepState
from tests.faults.blows import RARE, plan_blows
from tests.faults.invariants import hold, nothing_was_learned_in_vain
from tests.faults.life import Sweep
from tests.faults.mirrored import mlflow_is_the_journal
from tests.faults.storm import Chaos, Server
from tests.tracking.server import free_port

STEPS = 320
"""With them 40 trials outlast 20 minutes on two cores."""
END_S = 900.0
"""What is left to do after the last blow."""
MOST = 0.75
"""Of the blows must strike somebody, and of the time must have passed: else it was no chaos."""

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
    deadline = 60 * minutes + END_S
    with Server(store, port) as server:
        run = Chaos(sweep, server, blows, deadline)
        ended = run.go()
    screen.print(_table(run))
    state = hold(sweep, ended, code=0, within_s=deadline, kept=run.kept)
    nothing_was_learned_in_vain(sweep)
    lines = mlflow_is_the_journal(sweep)
    assert sorted(state.trials) == list(range(trials))
    statuses = _statuses(state, run.struck["stand-in"])
    assert run.seconds >= MOST * 60 * minutes, f"it was through after {run.seconds:.0f} s"
    assert run.struck.total() >= MOST * len(blows), f"{run.struck} of {len(blows)} blows"
    assert set(run.struck) == {blow.victim for blow in blows}
    screen.print(
        f"{trials} trials in {run.seconds / 60:.1f} min and {len(state.lives)} lives of the driver:"
        f" {', '.join(f'{count} {status}' for status, count in statuses.items())}; none lost, none"
        f" twice, nobody left; MLflow holds the journal's {lines:,} lines of metrics, point for"
        " point."
    )
    shutil.rmtree(folder)


def _statuses(state: SweepState, stand_ins: int) -> Counter[str]:
    """Count the ends of the trials; only a dead stand-in may have failed one."""
    found: Counter[str] = Counter()
    for row in state.trials.values():
        if row.by_limits:  # a finding about a configuration, which no kill has made
            found["beyond a limit of the evaluation"] += 1
        elif row.status == "FAILED" and row.reason == FORSAKEN:
            found["failed with their stand-ins"] += 1
        else:
            assert row.status in ("COMPLETED", "STOPPED"), f"{row.name}: {row.reason}"
            found[row.status] += 1
    assert found["failed with their stand-ins"] <= stand_ins
    return +found


def _settings(trials: int, slots: int, steps: int, port: int) -> tuple[str, ...]:
    return (
        f"search.trials={trials}",
        f"search.concurrent={slots}",
        "search.scheduler.type=none",
        f"training.max_steps={steps}",
        "training.checkpoint_steps=10",
        "training.learning_rate=2.0e-4",  # gentle: most pass every limit
        "evaluation.at=[0.25, 0.5, 1.0]",
        "budget.retries=20",
        "budget.failures=20",
        f"tracking.uri=http://127.0.0.1:{port}",
    )


def _table(run: Chaos) -> Table:
    table = Table(title="Chaos", title_justify="left")
    for heading in ("killed", "times", "nobody there, or all done"):
        table.add_column(heading, justify="left" if heading == "killed" else "right")
    for victim in ("worker", *RARE):
        table.add_row(victim, str(run.struck[victim]), str(run.missed[victim]))
    return table


if __name__ == "__main__":
    app()
