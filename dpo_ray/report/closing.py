"""The last lines of a journal: the pictures, the page, the winner, why it ended."""

import time
from collections.abc import Iterator
from pathlib import Path

from dpo_ray.data.trial_files import COMPLETIONS, checkpoint_folder
from dpo_ray.errors import BudgetSpent, ChampionRegressed, DpoRayError
from dpo_ray.report.figures import Picture, sweep_pictures, trial_pictures
from dpo_ray.report.figures.pictures import attempt
from dpo_ray.report.page import REPORT, write_page
from dpo_ray.report.ranking import RankedRow, best_of, rank
from dpo_ray.report.recommended import recommended
from dpo_ray.report.saved import policy_to_use
from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.records import ArtifactWritten, SweepEnded
from dpo_ray.tracking.state import SweepState, fold

FINDINGS = (BudgetSpent, ChampionRegressed)
"""Ends after which what was found stands."""


def close_journal(
    journal: Journal, folder: Path, problem: DpoRayError | None, drawn: bool = True
) -> SweepState:
    """Draw the sweep, write its page and its end, and return what the whole journal says.

    `problem` is what ended it early, None for a sweep that ran its plan. Where nobody waits any
    more nothing is `drawn`, and the end alone is written.
    """
    state = fold(read_journal(journal.path))
    rows = rank(state)
    best = best_of(rows)
    for picture in _pictures(state, rows, folder) if drawn else ():
        journal.append(
            ArtifactWritten(
                path=str(picture.path),
                folder=picture.folder,
                trial=picture.trial,
                table=picture.table,
            )
        )
    chosen = policy_to_use(state, rows, folder)
    if chosen is not None and (problem is None or isinstance(problem, FINDINGS)):
        journal.append(chosen)
    end = SweepEnded(
        exit_code=problem.exit_code if problem else 0,
        reason=str(problem) if problem else "all trials of the plan are done",
        best=best.trial.number if best and best.trial else None,
        step=best.step if best else None,
    )
    page = _page(journal, folder, end) if drawn else None
    if page is not None:
        journal.append(ArtifactWritten(path=str(page)))
    journal.append(end)
    return fold(read_journal(journal.path))


def _page(journal: Journal, folder: Path, end: SweepEnded) -> Path | None:
    """Write the page as of the end, which comes last: whoever reads it may take what is there."""
    records = [*read_journal(journal.path), end.model_copy(update={"time": time.time()})]
    return attempt(folder / REPORT, lambda path: write_page(records, folder, path))


def _pictures(state: SweepState, rows: list[RankedRow], folder: Path) -> Iterator[Picture]:
    """The sweep's own, what the recommended policy wrote, and the pictures of the trials that are
    compared: the search's best, what is recommended, and the default."""
    used = recommended(state, rows)
    if used is None or used.trial is None:
        return
    yield from sweep_pictures(state, folder)
    wrote = checkpoint_folder(Path(used.trial.folder), used.step) / COMPLETIONS
    if wrote.is_file():
        yield Picture(wrote, folder="", table=True)
    compared = {row.trial.number for row in rows if row.trial and (row.is_best or row.is_control)}
    for number in sorted(compared | {used.trial.number}):
        yield from trial_pictures(state, folder, number)
