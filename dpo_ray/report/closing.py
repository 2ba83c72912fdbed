"""The last lines of a journal: the pictures, the winner, why it ended."""

from collections.abc import Iterator
from pathlib import Path

from dpo_ray.errors import DpoRayError
from dpo_ray.report.figures import Picture, sweep_pictures, trial_pictures
from dpo_ray.report.ranking import RankedRow, best_of, rank
from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.records import ArtifactWritten, SweepEnded
from dpo_ray.tracking.state import SweepState, fold


def close_journal(journal: Journal, folder: Path, problem: DpoRayError | None) -> SweepState:
    """Draw the sweep, write its end, and return what the whole journal says.

    `problem` is what ended it early, None for a sweep that ran its plan.
    """
    state = fold(read_journal(journal.path))
    rows = rank(state)
    best = best_of(rows)
    for picture in _pictures(state, rows, folder):
        journal.append(
            ArtifactWritten(
                path=str(picture.path),
                folder=picture.folder,
                trial=picture.trial,
                table=picture.table,
            )
        )
    journal.append(
        SweepEnded(
            exit_code=problem.exit_code if problem else 0,
            reason=str(problem) if problem else "all trials of the plan are done",
            best=best.trial.number if best and best.trial else None,
            step=best.step if best else None,
        )
    )
    return fold(read_journal(journal.path))


def _pictures(state: SweepState, rows: list[RankedRow], folder: Path) -> Iterator[Picture]:
    """The sweep's own, and those of the two trials that are compared: the best and the default."""
    if best_of(rows) is None:
        return
    yield from sweep_pictures(state, folder)
    for row in rows:
        if row.trial is not None and (row.is_best or row.is_control):
            yield from trial_pictures(state, folder, row.trial.number)
