"""All pictures of a sweep: which there are, where they lie, where MLflow shows them."""

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from dpo_ray.report.figures.confirmation import confirmation
from dpo_ray.report.figures.displacement import displacement
from dpo_ray.report.figures.drawing import written
from dpo_ray.report.figures.examples import checkpoints, write_heaviest
from dpo_ray.report.figures.frontier import frontier
from dpo_ray.report.figures.margin_trap import margin_trap
from dpo_ray.report.figures.overview import overview
from dpo_ray.report.figures.weights import weights
from dpo_ray.tracking.earlier import OVERVIEW
from dpo_ray.tracking.state import SweepState

SHOWN_IN = "figures"
"""The pictures' folder among a run's artifacts."""
Draw = Callable[[], Figure | None]


@dataclass(frozen=True)
class Picture:
    """A file that was written.

    Attributes:
        folder: where among the run's artifacts it belongs.
        trial: whose run; None for the sweep's own.
        table: a Parquet file that is shown as a table.
    """

    path: Path
    folder: str = SHOWN_IN
    trial: int | None = None
    table: bool = False


def sweep_pictures(state: SweepState, folder: Path) -> list[Picture]:
    """Write the overview, `frontier.png` and, after a confirmation, `confirmation.png`."""
    drawings: dict[str, Draw] = {
        OVERVIEW: lambda: overview(state),
        "frontier.png": lambda: frontier(state),
        "confirmation.png": lambda: confirmation(state),
    }
    paths = (attempt(folder / name, _png(draw)) for name, draw in drawings.items())
    return [Picture(path) for path in _present(paths)]


def trial_pictures(state: SweepState, folder: Path, trial: int) -> list[Picture]:
    """Write a trial's pictures and its table of the heaviest examples to `folder/figures/t00`.

    What the trial left no data for is left out.
    """
    row = state.row(trial)
    found, place = checkpoints(row), folder / SHOWN_IN / row.name
    drawings: dict[str, Draw] = {
        "weights.png": lambda: weights(row, found),
        "displacement.png": lambda: displacement(row),
        "margin_trap.png": lambda: margin_trap(state, row, found),
    }
    paths = (attempt(place / name, _png(draw)) for name, draw in drawings.items())
    pictures = [Picture(path, trial=trial) for path in _present(paths)]
    table = attempt(place / "heaviest.parquet", lambda path: write_heaviest(state, row, path))
    # A run's tables lie at the top of its artifacts, where its page finds them at once.
    return pictures + ([Picture(table, "", trial, table=True)] if table else [])


def _png(draw: Draw) -> Callable[[Path], Path | None]:
    return lambda path: written(path, draw)


def attempt(path: Path, write: Callable[[Path], Path | None]) -> Path | None:
    """Write one file. A picture that breaks is said to be missing; no sweep is lost by it."""
    try:
        return write(path)
    except Exception as error:
        warnings.warn(f"{path} was not written: {error!r}", RuntimeWarning, stacklevel=2)
        return None


def _present(paths: Iterable[Path | None]) -> list[Path]:
    return [path for path in paths if path is not None]
