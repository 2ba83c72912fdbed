"""What an interrupted process left half-said, settled before its sweep goes on."""

from pathlib import Path

from dpo_ray.data.trial_files import ADAPTER, checkpoint_folder
from dpo_ray.search.past import is_over
from dpo_ray.search.schedulers import RungScheduler
from dpo_ray.tracking.journal import Journal
from dpo_ray.tracking.records import AnyRecord, RungDecided, TrialEnded
from dpo_ray.tracking.state import SweepState, TrialRow


def settle(journal: Journal, past: SweepState) -> None:
    """Write what the journal lacks of trials that were at a rung when their process died."""
    for row in past.trials.values():
        if not is_over(row):
            for record in unsaid(row):
                journal.append(record)


def unsaid(row: TrialRow) -> list[AnyRecord]:
    """Return the records that an interrupted trial lacks.

    A rung without a verdict goes on: the trial has passed it, and is not evaluated there again.
    A verdict to stop stands, though the trial had no time to say that it obeyed.
    """
    if not row.rungs:
        return []
    rung, decided = row.rungs[-1], {each.step: each.action for each in row.decisions}
    if rung.step not in decided:
        reason = "interrupted before a verdict, so it goes on"
        return [
            RungDecided(
                trial=row.number, step=rung.step, action="continue", reason=reason, spared=True
            )
        ]
    if decided[rung.step] == "continue":
        return []
    adapter = checkpoint_folder(Path(row.folder), rung.step) / ADAPTER
    return [
        TrialEnded(
            trial=row.number,
            state="STOPPED",
            reason="stopped at a rung",
            step=rung.step,
            seconds=max(row.last - row.started, 0.0),
            adapter=str(adapter) if adapter.is_dir() else None,
        )
    ]


def put_back(scheduler: RungScheduler, past: SweepState) -> None:
    """Tell the scheduler all rungs that trials of the past have passed.

    In the order of their steps: which trial came first no longer matters.
    """
    for row in past.trials.values():
        for rung in row.rungs:
            scheduler.remember(row.number, rung.fraction, rung.metrics)
