"""One trial: a fresh policy on the warm base model, trained, judged, saved, taken off again."""

import os
import time
from typing import Any

from dpo_ray.errors import ReferenceMismatch
from dpo_ray.evaluation.logps import collator_for
from dpo_ray.reference.model import autocast
from dpo_ray.training.callback import NonFinite, TrialCallback
from dpo_ray.training.desk import Desk
from dpo_ray.training.dpo import PreparedDPOTrainer, build_trainer
from dpo_ray.training.jobs import Fatal, Mailbox, Outcome, RankEnd, State, TrialJob
from dpo_ray.training.policy import as_reference, save_policy, take_off
from dpo_ray.training.step_zero import CHECKED_ROWS, check_step_zero

STATES: dict[str, State] = {"continue": "COMPLETED", "stop": "STOPPED", "cancel": "KILLED"}
REASONS = {
    "continue": "ran all its steps",
    "stop": "stopped at a rung",
    "cancel": "cancelled with the sweep",
}


def run_trial(job: TrialJob, job_id: int, desk: Desk, mailbox: Mailbox) -> Outcome:
    """Run `job` on every rank of the desk's group and say how it ended. Collective.

    A trial that breaks (non-finite numbers, a configuration the model refuses) is an outcome,
    not an exception: the worker is as good as new afterwards.
    """
    began = time.time()
    callback = _callback(job, job_id, desk, mailbox)
    trainer: PreparedDPOTrainer | None = None
    try:
        trainer = _build(job, desk, callback)
        built = time.time()
        _check_step_zero(job, desk, trainer)
        _teach_evaluation(job, desk, callback, trainer)
        trainer.train()
        saved = _save(job, desk, trainer)
        timings = _timings(began, built, callback)
        return Outcome(
            state=STATES[callback.verdict],
            reason=REASONS[callback.verdict],
            step=callback.step,
            seconds=time.time() - began,
            adapter=saved if job.training.mode == "lora" else None,
            model=saved if job.training.mode == "full" else None,
            timings=timings,
            ranks=tuple(desk.ranks.collect([RankEnd(os.getpid(), callback.step)])),
        )
    except (NonFinite, ReferenceMismatch) as error:
        return _failure(error, callback.step, began)
    except Exception as error:
        if desk.ranks.world > 1:
            raise  # the other ranks may be in a collective: only a new group is safe
        desk.forget_model()
        return _failure(error, callback.step, began)
    finally:
        callback.evaluate = dict  # it holds the policy
        if trainer is not None:
            take_off(trainer)


def _callback(job: TrialJob, job_id: int, desk: Desk, mailbox: Mailbox) -> TrialCallback:
    return TrialCallback(
        job_id=job_id,
        mailbox=mailbox,
        ranks=desk.ranks,
        fractions=tuple(job.evaluation.at),
        evaluate=dict,
    )


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


def _teach_evaluation(
    job: TrialJob, desk: Desk, callback: TrialCallback, trainer: PreparedDPOTrainer
) -> None:
    if not job.evaluate:
        return
    evaluator, policy = desk.evaluator(job), trainer.model

    def evaluate() -> dict[str, float]:
        with autocast(job.model.dtype, desk.device):
            return evaluator(policy, lambda: as_reference(trainer), job.training.beta)

    callback.evaluate = evaluate


def _save(job: TrialJob, desk: Desk, trainer: PreparedDPOTrainer) -> str:
    tokenizer = desk.tokenizer(job.model)
    return str(save_policy(trainer, job.folder, job.model, tokenizer, write=desk.ranks.first))


def _timings(began: float, built: float, callback: TrialCallback) -> dict[str, float]:
    first = callback.first_step_at or built
    return {
        "build_s": built - began,
        "first_step_s": first - began,
        "evaluation_s": callback.evaluation_s,
    }


def _failure(error: Exception, step: int, began: float) -> Outcome:
    reason = str(error) if isinstance(error, NonFinite | ReferenceMismatch) else describe(error)
    fatal: Fatal | None = "reference" if isinstance(error, ReferenceMismatch) else None
    return Outcome("FAILED", reason, step, time.time() - began, fatal=fatal)


def describe(error: BaseException) -> str:
    """Return an error as one line: its type and the first line of its text."""
    lines: list[Any] = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"[:500]
