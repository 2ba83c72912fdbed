"""What an interrupted process left half-said, settled before its sweep goes on."""

from pathlib import Path

from dpo_ray.data.trial_files import ADAPTER, checkpoint_folder
from dpo_ray.search.past import is_over
from dpo_ray.search.rung_book import RungBook
from dpo_ray.tracking.journal import Journal
from dpo_ray.tracking.records import AnyRecord, RungDecided, RungReached, TrialEnded
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import TrialRow


def settle(journal: Journal, past: SweepState, book: RungBook) -> None:
    """Write what the journal lacks of trials that were at a rung when their process died.

    `book` has all rungs that were decided.
    """
    for row in past.trials.values():
        if not is_over(row):
            for record in unsaid(row, book):
                journal.append(record)


def unsaid(row: TrialRow, book: RungBook) -> list[AnyRecord]:
    """Return the records that an interrupted trial lacks.

    A rung without a verdict gets the one it would have had: the trial has passed it, and is not
    evaluated there again. A verdict to stop stands, though the trial could not say that it obeyed.
    """
    if not row.rungs:
        return []
    rung, decided = row.rungs[-1], {each.step: each.action for each in row.decisions}
    if rung.step in decided:
        end = obeyed(row)
        return [] if end is None else [end]
    found = book.judge(row.number, rung.fraction, rung.metrics)
    verdict = RungDecided(
        trial=row.number,
        step=rung.step,
        action="stop" if found.stop else "continue",
        reason=found.reason,
        spared=found.spared,
    )
    return [verdict, _stopped(row, rung)] if found.stop else [verdict]


def obeyed(row: TrialRow) -> TrialEnded | None:
    """Return the end of a trial that was told to stop at its last rung and could not say that it
    did; None for any other."""
    told = row.decisions[-1] if row.decisions else None
    if told is None or told.action != "stop" or told.step != row.seen_rung:
        return None
    return _stopped(row, row.rungs[-1])


def _stopped(row: TrialRow, rung: RungReached) -> TrialEnded:
    adapter = checkpoint_folder(Path(row.folder), rung.step) / ADAPTER
    return TrialEnded(
        trial=row.number,
        state="STOPPED",
        reason="stopped at a rung",
        step=rung.step,
        seconds=max(row.last - row.started, 0.0),
        adapter=str(adapter) if adapter.is_dir() else None,
    )
