"""One trial: a fresh policy on the warm base model, trained, judged, saved, taken off again."""

import os
import time
from collections.abc import Mapping
from typing import Any

from dpo_ray.data.trial_files import checkpoint_folder
from dpo_ray.errors import JudgingFailed, ReferenceMismatch
from dpo_ray.evaluation.degeneration import broken
from dpo_ray.evaluation.evaluate import Loss
from dpo_ray.evaluation.logps import collator_for
from dpo_ray.evaluation.rewards import UNWEIGHTED
from dpo_ray.reference.model import autocast
from dpo_ray.training.callback import BrokenText, NonFinite, TrialCallback, refuse_non_finite
from dpo_ray.training.desk import Desk
from dpo_ray.training.dpo import PreparedDPOTrainer, build_trainer
from dpo_ray.training.jobs import Fatal, Mailbox, Outcome, RankEnd, State, TrialJob
from dpo_ray.training.keeping import Wrote, card_of, keep_evaluation, show_completions
from dpo_ray.training.policy import as_reference, save_checkpoint, save_policy, take_off
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
    except (NonFinite, ReferenceMismatch, BrokenText, JudgingFailed) as error:
        return _failure(error, callback.step, began)
    except Exception as error:
        if desk.ranks.world > 1:
            raise  # the other ranks may be in a collective: only a new group is safe
        desk.forget_model()
        return _failure(error, callback.step, began)
    finally:
        if desk.ranks.first and callback.evaluated:
            show_completions(job, callback.evaluated, _wrote(job_id, mailbox))
        callback.evaluate = _nothing  # it holds the policy
        if trainer is not None:
            take_off(trainer)


def _callback(job: TrialJob, job_id: int, desk: Desk, mailbox: Mailbox) -> TrialCallback:
    return TrialCallback(
        job_id=job_id,
        mailbox=mailbox,
        ranks=desk.ranks,
        fractions=tuple(job.evaluation.at),
        evaluate=_nothing,
        stop_at=job.stop_at,
    )


def _nothing(step: int) -> dict[str, float]:
    return {}


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


def _teach_evaluation(
    job: TrialJob, desk: Desk, callback: TrialCallback, trainer: PreparedDPOTrainer
) -> None:
    if not job.evaluate:
        return
    evaluator, policy = desk.evaluator(job), trainer.model
    weighted, training = job.training.example_weight, job.training
    loss = Loss(training.beta, training.loss_type if weighted else UNWEIGHTED)

    def evaluate(step: int) -> dict[str, float]:
        with autocast(job.model.dtype, desk.device):
            found = evaluator(policy, lambda: as_reference(trainer), loss)
        if desk.ranks.first:
            keep_evaluation(job, step, found, _wrote(callback.job_id, callback.mailbox))
            if step < trainer.state.max_steps and job.stop_at is None:
                folder = checkpoint_folder(job.folder, step)
                save_checkpoint(trainer, folder, card_of(job, step))
        _refuse_broken(job, step, found.metrics, evaluator.baseline.signs)
        return found.metrics

    callback.evaluate = evaluate


def _refuse_broken(
    job: TrialJob, step: int, metrics: dict[str, float], reference: Mapping[str, float]
) -> None:
    refuse_non_finite(metrics, step)
    plain = {name.removeprefix("eval/"): value for name, value in metrics.items()}
    said = broken(plain, reference, job.evaluation.limits)
    if said is not None:
        raise BrokenText(f"degenerate at step {step}: {said}", metrics)


def _wrote(job_id: int, mailbox: Mailbox) -> Wrote:
    return lambda path, folder, table: mailbox.wrote(job_id, path, folder, table)


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
    }


def _failure(error: Exception, step: int, began: float) -> Outcome:
    ours = NonFinite | ReferenceMismatch | BrokenText | JudgingFailed
    reason = str(error) if isinstance(error, ours) else describe(error)
    fatal: Fatal | None = "reference" if isinstance(error, ReferenceMismatch) else None
    by_limits = isinstance(error, BrokenText)
    return Outcome(
        "FAILED",
        reason,
        step,
        time.time() - began,
        fatal=fatal,
        metrics=error.metrics if isinstance(error, BrokenText) else {},
        by_limits=by_limits,
    )


def describe(error: BaseException) -> str:
    """Return an error as one line: its type and the first line of its text."""
    lines: list[Any] = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"[:500]
