"""Situations: why one trial fails; its reason is told in tables, journals and MLflow."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import torch

from dpo_ray.config.evaluation import EvaluationConfig, LimitsConfig
from dpo_ray.config.training import TrainingConfig
from dpo_ray.data.prepared import Prepared
from dpo_ray.slots.mailbox import SlotMailbox
from dpo_ray.slots.overdue import LEAVE_S, Vitals, overdue
from dpo_ray.slots.pool import DIED
from dpo_ray.training.checkpoints import _on_every_rank
from dpo_ray.training.jobs import ModelSpec, TrialJob
from dpo_ray.training.memory import out_of_memory
from dpo_ray.training.refusals import (
    refuse_broken_text,
    refuse_non_finite,
    refuse_non_finite_weights,
    refuse_stillness,
)
from tests.errors.book import Chapter, Said

TRIALS = Chapter("Why a trial fails")


@dataclass(frozen=True)
class Alone:
    """A group of one rank."""

    first: bool = True

    def gather(self, value: object) -> list[object]:
        return [value]


def failed(call: object, *arguments: object) -> Said:
    """Return the reason that a trial would be given."""
    try:
        call(*arguments)  # type: ignore[operator]
    except (ArithmeticError, ValueError, OSError) as error:
        return Said("", 0, str(error))
    raise AssertionError("it did not fail")


@TRIALS.when("a loss that is no number")
def _(place) -> Said:
    return failed(refuse_non_finite, {"train/loss": float("nan")}, 3)


@TRIALS.when("weights that are no numbers")
def _(place) -> Said:
    model = torch.nn.Linear(1, 1)
    torch.nn.init.constant_(model.weight, float("inf"))
    return failed(refuse_non_finite_weights, model, 3)


@TRIALS.when("a policy that has not moved")
def _(place) -> Said:
    return failed(refuse_stillness, [0.0], {}, LimitsConfig(min_movement=0.01), 30, 3.0)


@TRIALS.when("a policy that repeats itself")
def _(place) -> Said:
    metrics = {"eval/repetition": 0.9}
    return failed(refuse_broken_text, metrics, {"repetition": 0.1}, LimitsConfig(), 30)


@TRIALS.when("a checkpoint that cannot be written")
def _(place) -> Said:
    def full() -> None:
        raise OSError(28, "No space left on device")

    return failed(_on_every_rank, Alone(), full)


@TRIALS.when("a trial that hangs")
def _(place) -> Said:
    found = overdue(Vitals(job_id=1, began=0.0, sign=100.0, silent_s=1800), now=2000.0)
    assert found is not None
    return Said("", 0, found.reason)


@TRIALS.when("a trial that takes too long")
def _(place) -> Said:
    found = overdue(Vitals(job_id=1, began=0.0, sign=100.0, trial_s=120), now=130.0)
    assert found is not None
    return Said("", 0, found.reason)


@TRIALS.when("a trial that takes too long and does not leave")
def _(place) -> Said:
    vitals = Vitals(job_id=1, began=0.0, sign=120.0, trial_s=120, told=121.0)
    found = overdue(vitals, now=122.0 + LEAVE_S)
    assert found is not None
    return Said("", 0, found.reason)


@TRIALS.when("a trial whose worker dies again and again")
def _(place) -> Said:
    nowhere = Path("nowhere")
    job = TrialJob(
        ModelSpec(nowhere, "float32"), Prepared(nowhere, nowhere, nowhere, nowhere),
        TrainingConfig(), EvaluationConfig(), max_length=512, folder=nowhere, trial=7, retries=1,
    )  # fmt: skip

    async def die() -> str:
        box = SlotMailbox("slot-0")
        await box.start(job)
        for _ in range(3):  # three groups ask, one after another
            await box.next_job(0)
        outcome = (await box.next_turn()).outcome
        assert outcome is not None
        return str(outcome.reason)

    return Said("", 0, asyncio.run(die()))


@TRIALS.when("a job of the preparation that slot after slot dies of")
def _(place) -> Said:
    return Said("", 0, DIED)


@TRIALS.when("a trial with too many pairs for the memory")
def _(place) -> Said:
    training = TrainingConfig(batch_size=3)
    job = SimpleNamespace(training=training)
    return Said("", 0, out_of_memory(job, job, world=1))
