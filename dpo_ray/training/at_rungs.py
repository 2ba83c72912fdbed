"""What a trial does at a rung: the policy is evaluated, kept, and refused if it is hopeless."""

from collections.abc import Callable, Mapping

from dpo_ray.data.trial_files import checkpoint_folder
from dpo_ray.evaluation.evaluate import Evaluation, Loss
from dpo_ray.evaluation.rewards import UNWEIGHTED
from dpo_ray.reference.model import autocast
from dpo_ray.training.callback import TrialCallback
from dpo_ray.training.desk import Desk
from dpo_ray.training.dpo import PreparedDPOTrainer
from dpo_ray.training.jobs import TrialJob
from dpo_ray.training.keeping import Wrote, card_of, keep_evaluation
from dpo_ray.training.mailbox import Mailbox
from dpo_ray.training.policy import as_reference, save_checkpoint
from dpo_ray.training.refusals import (
    refuse_broken_text,
    refuse_non_finite,
    refuse_non_finite_weights,
    refuse_stillness,
)
from dpo_ray.training.signs import signs_of_life


def teach_evaluation(
    job: TrialJob, desk: Desk, callback: TrialCallback, trainer: PreparedDPOTrainer
) -> None:
    """Have the callback evaluate the policy, keep what it finds, and refuse what is hopeless."""
    evaluator, policy = desk.evaluator(job), trainer.model
    base = policy if trainer.ref_model is not None else policy.get_base_model()
    weighted, training = job.training.example_weight, job.training
    loss = Loss(training.beta, training.loss_type if weighted else UNWEIGHTED)

    def evaluate(step: int) -> dict[str, float]:
        refuse_non_finite_weights(policy, step)
        with (
            autocast(job.model.dtype, desk.device),
            signs_of_life(base, _tell(callback, desk)),
        ):
            found = evaluator(policy, lambda: as_reference(trainer), loss)
        if desk.ranks.first:
            keep_evaluation(job, step, found, told_of(callback.job_id, callback.mailbox))
            if step < trainer.state.max_steps and job.stop_at is None:
                folder = checkpoint_folder(job.folder, step)
                save_checkpoint(trainer, folder, card_of(job, step))
        _refuse(job, step, found, evaluator.baseline.signs, trainer.state.max_steps)
        return found.metrics

    callback.evaluate = evaluate


def _tell(callback: TrialCallback, desk: Desk) -> Callable[[], object]:
    if not desk.ranks.first:
        return lambda: None
    return lambda: callback.mailbox.poll(callback.job_id)


def _refuse(
    job: TrialJob, step: int, found: Evaluation, reference: Mapping[str, float], steps: int
) -> None:
    limits = job.evaluation.limits
    refuse_non_finite(found.metrics, step)
    refuse_broken_text(found.metrics, reference, limits, step)
    gaps = found.examples["margin"].to_pylist()
    refuse_stillness(gaps, found.metrics, limits, step, job.training.warmup * steps)


def told_of(job_id: int, mailbox: Mailbox) -> Wrote:
    """Return what tells the mailbox of a finished file."""
    return lambda path, folder, table: mailbox.wrote(job_id, path, folder, table)
