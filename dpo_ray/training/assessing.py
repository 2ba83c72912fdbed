"""A saved adapter, evaluated on the warm base as a trial's policy is."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dpo_ray.data.adapter_card import AdapterCard, read_card
from dpo_ray.data.trial_files import ASSESSED
from dpo_ray.data.weights import check_weights
from dpo_ray.errors import DataError, JudgingFailed
from dpo_ray.evaluation.evaluate import Evaluation, Loss
from dpo_ray.evaluation.rewards import UNWEIGHTED
from dpo_ray.reference.model import autocast, scoring_head
from dpo_ray.training.attempt import describe, keep_traceback
from dpo_ray.training.desk import Desk
from dpo_ray.training.jobs import AssessJob, Outcome
from dpo_ray.training.keeping import keep_evaluation
from dpo_ray.training.mailbox import Mailbox, MailboxGone
from dpo_ray.training.refusals import (
    BeyondLimits,
    NonFinite,
    refuse_broken_text,
    refuse_non_finite,
    refuse_non_finite_weights,
)
from dpo_ray.training.signs import signs_of_life


def assess(job: AssessJob, job_id: int, desk: Desk, mailbox: Mailbox) -> Outcome:
    """Evaluate the adapter on every rank of the desk's group and say what came of it. Collective.

    An adapter beyond a limit of the evaluation is a finding: FAILED, `by_limits`. The base model
    on the desk is bare again afterwards.
    """
    began = time.time()
    try:
        found = _evaluate(job, job_id, desk, mailbox)
    except (BeyondLimits, NonFinite) as error:
        metrics = error.metrics if isinstance(error, BeyondLimits) else {}
        return Outcome("FAILED", str(error), metrics=metrics, by_limits=True)
    except (DataError, JudgingFailed) as error:
        return Outcome("FAILED", str(error))
    except MailboxGone:
        raise
    except Exception as error:
        if desk.ranks.world > 1:
            raise  # the other ranks may be in a collective: only a new group is safe
        keep_traceback(job.like.folder, error)
        desk.forget_model()
        return Outcome("FAILED", describe(error))
    seconds = time.time() - began
    return Outcome("COMPLETED", "was evaluated", ASSESSED, seconds, metrics=found.metrics)


def _evaluate(job: AssessJob, job_id: int, desk: Desk, mailbox: Mailbox) -> Evaluation:
    like = job.like
    loss = _loss(_card(job.adapter))
    evaluator, base = desk.evaluator(like), desk.model(like.model)

    def tell() -> None:
        if desk.ranks.first:
            mailbox.poll(job_id)

    with _put_on(base, job.adapter) as policy:
        refuse_non_finite_weights(policy, ASSESSED)
        with (
            autocast(like.model.dtype, desk.device),
            signs_of_life(base, tell),
            scoring_head(base),
        ):
            found = evaluator(policy, lambda: _without(policy), loss)
    if desk.ranks.first:
        keep_evaluation(like, ASSESSED, found, lambda *_: None)
    refuse_non_finite(found.metrics, ASSESSED)
    refuse_broken_text(found.metrics, evaluator.baseline.signs, like.evaluation.limits, ASSESSED)
    return found


def _card(adapter: Path) -> AdapterCard:
    card = read_card(adapter)
    if card is None:
        raise DataError(f"{adapter}: has no dpo_ray.json, so nobody knows how it was trained")
    return card


def _loss(card: AdapterCard) -> Loss:
    return Loss(card.beta, card.loss_type if card.example_weight else UNWEIGHTED)


@contextmanager
def _put_on(base: Any, adapter: Path) -> Iterator[Any]:
    """Yield the base with the adapter on it; leave the base as it was."""
    from peft import PeftModel

    check_weights(adapter)
    names, use_cache = set(base.__dict__), base.config.use_cache
    policy = PeftModel.from_pretrained(base, str(adapter), is_trainable=True)
    try:
        yield policy
    finally:
        policy.unload()
        for name in set(base.__dict__) - names:
            del base.__dict__[name]
        base.config.use_cache = use_cache
        base.eval()


@contextmanager
def _without(policy: Any) -> Iterator[Any]:
    with policy.disable_adapter():
        yield policy
