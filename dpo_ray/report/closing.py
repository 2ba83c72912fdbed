"""The last lines of a journal: the figure, the winner, why it ended."""

from pathlib import Path

from dpo_ray.errors import DpoRayError
from dpo_ray.report.figures import draw_sweep
from dpo_ray.report.ranking import best_of, rank
from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.records import ArtifactWritten, SweepEnded
from dpo_ray.tracking.state import SweepState, fold


def close_journal(journal: Journal, folder: Path, problem: DpoRayError | None) -> SweepState:
    """Draw the sweep, write its end, and return what the whole journal says.

    `problem` is what ended it early, None for a sweep that ran its plan.
    """
    state = fold(read_journal(journal.path))
    best = best_of(rank(state))
    if best is not None:
        figure = draw_sweep(state, folder / "sweep.png")
        journal.append(ArtifactWritten(path=str(figure), folder="figures"))
    journal.append(
        SweepEnded(
            exit_code=problem.exit_code if problem else 0,
            reason=str(problem) if problem else "all trials of the plan are done",
            best=best.trial.number if best and best.trial else None,
            step=best.step if best else None,
        )
    )
    return fold(read_journal(journal.path))
