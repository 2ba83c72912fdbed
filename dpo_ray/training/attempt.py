"""One attempt at a trial: a fresh policy on the warm base, trained, judged, saved, taken off."""

import errno
import os
import re
import time
import traceback
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from dpo_ray.data.trial_files import ERROR_LOG
from dpo_ray.errors import JudgingFailed, ReferenceMismatch
from dpo_ray.evaluation.logps import collator_for
from dpo_ray.reference.model import autocast
from dpo_ray.training.at_rungs import teach_evaluation, told_of
from dpo_ray.training.callback import TimedOut, TrialCallback, WentNoFurther
from dpo_ray.training.checkpoints import NotSaved, find_resumable, save_resumable
from dpo_ray.training.desk import Desk
from dpo_ray.training.dpo import PreparedDPOTrainer, build_trainer
from dpo_ray.training.jobs import Fatal, Outcome, RankEnd, State, TrialJob, Verdict, overran
from dpo_ray.training.keeping import card_of, show_completions
from dpo_ray.training.mailbox import Mailbox, MailboxGone
from dpo_ray.training.memory import ran_out
from dpo_ray.training.meters import read_meters
from dpo_ray.training.policy import save_policy, take_off
from dpo_ray.training.refusals import BeyondLimits, NonFinite
from dpo_ray.training.step_zero import CHECKED_ROWS, check_step_zero
from dpo_ray.training.system import SystemMeter

STATES: dict[Verdict, State] = {"continue": "COMPLETED", "stop": "STOPPED", "cancel": "KILLED"}
REASONS: dict[Verdict, str] = {
    "continue": "ran all its steps",
    "stop": "stopped at a rung",
    "cancel": "cancelled with the sweep",
}
AGREED = (NonFinite, ReferenceMismatch, BeyondLimits, JudgingFailed, NotSaved, TimedOut)
"""Ends that every rank comes to at the same step."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def attempt(job: TrialJob, job_id: int, desk: Desk, mailbox: Mailbox) -> Outcome | None:
    """Run `job` on every rank of the desk's group and say how it ended. Collective.

    It goes on from the last checkpoint of its own in its folder. A trial that breaks (non-finite
    numbers, a configuration the model refuses) is an outcome, not an exception: the worker is as
    good as new afterwards. None: memory ran out on this rank, and the others may wait for it.

    Raises:
        MailboxGone: nobody is left to tell; the trial's last checkpoint stays.
    """
    began = time.time()
    callback = _callback(job, job_id, desk, mailbox)
    trainer: PreparedDPOTrainer | None = None
    try:
        trainer = _build(job, desk, callback)
        built = time.time()
        _check_step_zero(job, desk, trainer)
        callback.save = partial(save_resumable, trainer, job, desk.ranks)
        if job.evaluate:
            teach_evaluation(job, desk, callback, trainer)
        start = _goes_on_from(job, desk, callback, trainer)
        with suppress(WentNoFurther):
            trainer.train(resume_from_checkpoint=start)
        saved = _save(job, desk, trainer, callback.step)
        timings = _timings(began, built, callback)
        return Outcome(
            state=STATES[callback.verdict],
            reason=_reason(job, callback, trainer),
            step=callback.step,
            seconds=time.time() - began,
            adapter=saved if job.training.mode == "lora" else None,
            model=saved if job.training.mode == "full" else None,
            timings=timings,
            ranks=tuple(desk.ranks.collect([RankEnd(os.getpid(), callback.step)])),
        )
    except AGREED as error:
        if error.__cause__ is not None:
            keep_traceback(job.folder, error)
        return _failure(job, error, callback.step, began)
    except MailboxGone:
        raise
    except Exception as error:
        if ran_out(error):
            return None
        keep_traceback(job.folder, error)
        if desk.ranks.world > 1:
            raise  # the other ranks may be in a collective: only a new group is safe
        desk.forget_model()
        return _failure(job, error, callback.step, began)
    finally:
        if desk.ranks.first and callback.evaluated:
            show_completions(job, callback.evaluated, told_of(job_id, mailbox))
        callback.evaluate = _nothing  # it holds the policy, as do these
        callback.begin = callback.save = _pass
        if trainer is not None:
            take_off(trainer)


def _callback(job: TrialJob, job_id: int, desk: Desk, mailbox: Mailbox) -> TrialCallback:
    return TrialCallback(
        job_id=job_id,
        mailbox=mailbox,
        ranks=desk.ranks,
        fractions=tuple(job.evaluation.at),
        evaluate=_nothing,
        begin=_pass,
        save=_pass,
        stop_at=job.stop_at,
        checkpoint_steps=job.training.checkpoint_steps,
        seen_log=job.seen_log,
        seen_rung=job.seen_rung,
        usage=SystemMeter(desk.device),
    )


def _nothing(step: int) -> dict[str, float]:
    return {}


def _pass() -> None:
    pass


def _goes_on_from(
    job: TrialJob, desk: Desk, callback: TrialCallback, trainer: PreparedDPOTrainer
) -> str | None:
    """Return the checkpoint for the Trainer to load, having the callback load the rest."""
    ranks = desk.ranks
    found = ranks.agree(find_resumable(job, ranks.world) if ranks.first else None)
    if found is None:
        return None
    callback.begin = lambda: read_meters(trainer, found, ranks.rank)
    return str(found)


def _reason(job: TrialJob, callback: TrialCallback, trainer: PreparedDPOTrainer) -> str:
    total = trainer.state.max_steps
    if callback.verdict == "continue" and callback.step < total:
        return f"stopped at its chosen step, {callback.step} of {total}"
    return REASONS[callback.verdict]


def _build(job: TrialJob, desk: Desk, callback: TrialCallback) -> PreparedDPOTrainer:
    return build_trainer(
        desk.model(job.model),
        desk.tokenizer(job.model),
        desk.training_rows(job.prepared),
        job.training,
        max_length=job.max_length,
        dtype=job.model.dtype,
        workers=desk.ranks.world,
        folder=job.folder,
        callbacks=[callback],
    )


def _check_step_zero(job: TrialJob, desk: Desk, trainer: PreparedDPOTrainer) -> None:
    rows = desk.training_rows(job.prepared)
    rows = rows.select(range(min(CHECKED_ROWS, len(rows)))).to_list()
    collator = collator_for(desk.tokenizer(job.model), job.max_length)
    with autocast(job.model.dtype, desk.device):
        check_step_zero(trainer.model, rows, collator, job.training.beta, job.model.dtype)


def _save(job: TrialJob, desk: Desk, trainer: PreparedDPOTrainer, step: int) -> str:
    saved = save_policy(
        trainer,
        job.folder,
        job.model,
        desk.tokenizer(job.model),
        card_of(job, step),
        write=desk.ranks.first,
    )
    return str(saved)


def _timings(began: float, built: float, callback: TrialCallback) -> dict[str, float]:
    first = callback.first_step_at or built
    return {
        "build_s": built - began,
        "first_step_s": first - began,
        "evaluation_s": callback.evaluation_s,
        "checkpoint_s": callback.checkpoint_s,
    }


def _failure(job: TrialJob, error: Exception, step: int, began: float) -> Outcome:
    fatal: Fatal | None = "reference" if isinstance(error, ReferenceMismatch) else None
    beyond = isinstance(error, BeyondLimits)
    # No fault of the trial's: it goes on, from the checkpoint before, when there is room again.
    unwritable = isinstance(error, NotSaved) or has_no_room(error)
    return Outcome(
        "KILLED" if unwritable else "FAILED",
        _reason_of(job, error),
        step,
        time.time() - began,
        fatal="store" if unwritable else fatal,
        metrics=error.metrics if isinstance(error, BeyondLimits) else {},
        by_limits=beyond,
    )


def has_no_room(error: BaseException) -> bool:
    """Whether a disk was full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _reason_of(job: TrialJob, error: Exception) -> str:
    if isinstance(error, TimedOut):
        return overran(job.trial_s or 0.0, job.trial_s)
    return str(error) if isinstance(error, AGREED) else describe(error)


def keep_traceback(folder: Path, error: BaseException) -> None:
    """Write the whole traceback into a trial's folder; of several ranks the last one's stays."""
    with suppress(OSError):  # a full disk may be the very error
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{ERROR_LOG}.{os.getpid()}"
        part.write_text(full_traceback(error))
        part.replace(folder / ERROR_LOG)


def full_traceback(error: BaseException) -> str:
    """Return all of it, with the errors that led to it."""
    return "".join(traceback.format_exception(error))


def describe(error: BaseException) -> str:
    """Return an error as one line: its type and the first line of its text, without colours."""
    lines: list[Any] = _COLOUR.sub("", str(error)).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"[:500]
