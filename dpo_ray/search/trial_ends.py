"""What is done on disk when a trial ends, once the journal has its end and not before.

A worker leaves its last checkpoint where it is: were the driver killed between the worker's last
word and the journal's line, there would be nothing to go on from, and all training was in vain.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from dpo_ray.data.trial_files import drop_resume
from dpo_ray.search.past import is_over
from dpo_ray.search.pruning import remove, superfluous
from dpo_ray.slots.events import Ended
from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.state import SweepState, fold
from dpo_ray.tracking.trial_row import TrialRow


class TrialEnds:
    """Called with the end of each trial that the journal has: it is told to `note`, and what the
    trial need not keep is removed."""

    def __init__(self, note: Callable[[Ended], None], journal: Journal) -> None:
        self._note = note
        self._state = fold(read_journal(journal.path))
        journal.subscribe(self._state.apply)

    def __call__(self, event: Ended) -> None:
        self._note(event)
        row = self._state.row(event.trial)
        _drop_what_it_would_go_on_from(row)
        for folder in superfluous(self._state, row):
            remove(folder)


def tidy_up(state: SweepState) -> None:
    """Remove what trials that are over would have gone on from, where their ends were written by
    others than their workers, or by a driver that did not live to remove it."""
    for row in [*state.trials.values(), *state.confirmations.values()]:
        _drop_what_it_would_go_on_from(row)


def _drop_what_it_would_go_on_from(row: TrialRow) -> None:
    if is_over(row):
        with suppress(OSError):  # what cannot be removed costs disk space only
            drop_resume(Path(row.folder))
