"""The stage before all others where the reference is fine-tuned: made once, or found."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from dpo_ray.errors import ReferenceFailed
from dpo_ray.search.ending import fatal_error
from dpo_ray.tracking.journal import Journal
from dpo_ray.tracking.records import (
    AnyRecord,
    ReferenceEnded,
    ReferenceMetrics,
    ReferenceStarted,
)
from dpo_ray.training.jobs import Outcome, SftJob
from dpo_ray.training.sft_entry import MODEL, read_history

CANCEL_S = 30.0
ORDER_S = 30.0


class Workers(Protocol):
    """Whoever fine-tunes: a pool of slots whose events reach the journal by themselves."""

    def run(self, job: SftJob, check: Callable[[], None]) -> Outcome:
        """Do the job; what `check` raises ends the waiting."""
        ...

    def cancel_all(self, timeout_s: float) -> bool:
        """Cancel what runs."""
        ...


def sft_reference(job: SftJob, pool: Workers, journal: Journal, check: Callable[[], None]) -> Path:
    """Fine-tune the reference, or find it, and return its folder; journal either.

    On a pool an event pump must be following the slots: the loss is journaled while it falls.

    Raises:
        ReferenceFailed: the training broke, or numbers ceased to be finite.
        DataError: the texts hold nothing to learn.
        ClusterUnreachable: the workers died.
    """
    if job.target.is_dir():
        _journal_again(job.target, journal)
    else:
        _refuse_failure(_fine_tune(job, pool, journal, check))
    os.utime(job.target)  # when it was last of use: `dpo-ray cache` prunes by it
    return job.target / MODEL


def _fine_tune(job: SftJob, pool: Workers, journal: Journal, check: Callable[[], None]) -> Outcome:
    ended = threading.Event()

    def listen(record: AnyRecord) -> None:
        if isinstance(record, ReferenceEnded):
            ended.set()

    journal.subscribe(listen)
    try:
        outcome = pool.run(job, check)
    except BaseException:
        pool.cancel_all(CANCEL_S)
        raise
    ended.wait(ORDER_S)  # records of what comes next stand after its end
    return outcome


def _refuse_failure(outcome: Outcome) -> None:
    if outcome.state == "COMPLETED":
        return
    if outcome.fatal is not None:
        raise fatal_error(outcome)
    broken = ReferenceFailed(
        f"the SFT stage {outcome.state.lower()} at step {outcome.step}, so there is no reference "
        f"to train from: {outcome.reason}"
    )
    broken.trace = outcome.trace
    raise broken


def _journal_again(entry: Path, journal: Journal) -> None:
    """Write down a fine-tuning of an earlier sweep, so that this one's pages show it as well."""
    history = read_history(entry)
    journal.append(
        ReferenceStarted(
            settings=history.settings,
            model=history.model,
            texts=history.texts.used,
            cut=history.texts.cut,
            left_out=history.texts.left_out,
            total_steps=history.total_steps,
            slot=None,
        )
    )
    for step, metrics in history.log:
        journal.append(ReferenceMetrics(step=step, metrics=metrics), sync=False)
    journal.append(
        ReferenceEnded(
            state="COMPLETED",
            reason="found in the cache",
            step=history.total_steps,
            seconds=history.seconds,
            model=str(entry / MODEL),
            reused=True,
        )
    )
