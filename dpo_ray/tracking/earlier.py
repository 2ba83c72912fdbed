"""What an earlier run under the same name has left."""

from datetime import datetime
from pathlib import Path

from dpo_ray.errors import UnfinishedSweep
from dpo_ray.tracking.journal import read_journal
from dpo_ray.tracking.state import SweepState, fold

JOURNAL = "journal.jsonl"
OVERVIEW = "sweep.png"
"""The picture of a sweep as a whole, in its folder."""


def earlier_sweep(folder: Path) -> SweepState | None:
    """Return the finished sweep in `folder`, or None where a new one may begin.

    The caller holds the sweep's lock, so whoever wrote the journal is gone. A run that ended
    before its first trial has nothing to lose: its journal is set aside.

    Raises:
        UnfinishedSweep: trials were run, but the sweep did not come to its end.
        CorruptJournal: damage before the last line.
    """
    path = folder / JOURNAL
    if not path.exists():
        return None
    state = fold(read_journal(path))
    if state.ended is not None and state.ended.exit_code == 0:
        return state
    if state.trials:
        raise UnfinishedSweep(_unfinished(folder, state))
    path.rename(folder / f"journal-{datetime.now():%Y%m%dT%H%M%S%f}.jsonl")
    return None


def _unfinished(folder: Path, state: SweepState) -> str:
    done = len(state.with_status("COMPLETED", "STOPPED"))
    end = f"it ended with: {state.ended.reason}" if state.ended else "its process died"
    return (
        f"the sweep {folder.name} began earlier and did not finish: {done} of "
        f"{len(state.trials)} started trials have results, {end}. To run it again choose another "
        f"--name, or remove {folder}; the prepared data is reused either way"
    )
