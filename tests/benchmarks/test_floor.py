"""The floor does a trial's work, no less: else nothing could be held against it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.alone import control_job
from benchmarks.arithmetic import dpo_loss, gaps
from benchmarks.comparisons import comparisons
from benchmarks.held_out import HeldOut
from benchmarks.measuring import make_task
from benchmarks.raw_passes import prepare, train
from benchmarks.stock import read_rows, train_stock
from benchmarks.task import Quality, Task
from dpo_ray.ranks import Ranks
from dpo_ray.training.desk import Desk
from dpo_ray.training.trial import run_trial
from tests.training.conftest import InProcessMailbox

STOCK_WARNS = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
"""TRL's own defaults use names that transformers deprecates."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """Eight steps of the shipped plan's control trial, judged at their end."""
    (total,) = comparisons(quick=True, only="total")
    alike = (*total.alike, "training.max_steps=8", "training.logging_steps=1")
    return make_task(replace(total, alike=alike, trials={"e": 1}), "e", tmp_path, 1)


@pytest.mark.slow
def test_the_floors_steps_are_those_of_a_trial(task: Task) -> None:
    floor, mailbox = prepare(task), InProcessMailbox()
    trained = train(floor, task.trainings[0])
    desk = Desk(Ranks(), torch.device("cpu"))
    job = control_job(task.plan, desk, task.folder / "trials")
    assert run_trial(job, 1, desk, mailbox).state == "COMPLETED"

    assert trained.steps == len(floor.losses) == 8
    assert floor.losses == pytest.approx(mailbox.train("loss"), abs=2e-4)
    assert floor.losses[-1] < floor.losses[0]
    ((step, _, metrics),) = mailbox.rungs
    assert step == 8
    assert same(trained.quality, metrics["eval/accuracy"], metrics["eval/logratio_margin"])


def test_a_second_trial_of_the_floor_begins_where_the_first_did(task: Task) -> None:
    floor = prepare(task)
    train(floor, task.trainings[0])
    first = list(floor.losses)
    train(floor, task.trainings[0])
    assert floor.losses == first


@STOCK_WARNS
def test_stock_training_is_judged_as_the_floor_is(task: Task) -> None:
    trained = train_stock(
        task, task.trainings[0], read_rows(task), task.folder / "stock", HeldOut(task)
    )
    floor = train(prepare(task), task.trainings[0]).quality
    assert floor is not None
    (quality,) = trained.whole(task.trainings[0])
    assert same(quality, floor.accuracy, floor.margin)


@STOCK_WARNS
def test_stock_training_ends_at_the_rung_that_says_so(task: Task) -> None:
    halved = task.model_copy(update={"rungs": (0.25, 1.0)})
    trained = train_stock(
        halved,
        task.trainings[0],
        read_rows(task),
        task.folder / "stock",
        HeldOut(task),
        lambda step, quality: step == 2,
    )
    assert (trained.steps, trained.whole(task.trainings[0])) == (2, ())


def test_an_untrained_policy_has_no_gap_and_loses_ln_2() -> None:
    logps = torch.tensor([[-10.0, -20.0], [-12.0, -18.0]])
    assert gaps(logps, logps).tolist() == [0.0, 0.0]
    assert dpo_loss(logps, logps, 0.1).item() == pytest.approx(0.6931, abs=1e-4)


def test_a_gap_is_what_chosen_won_over_rejected() -> None:
    reference = torch.tensor([[-10.0], [-10.0]])
    policy = torch.tensor([[-8.0], [-11.0]])
    assert gaps(policy, reference).item() == 3.0
    assert dpo_loss(policy, reference, 1.0).item() == pytest.approx(0.0486, abs=1e-4)


def same(found: Quality | None, accuracy: float, margin: float) -> bool:
    """Whether a quality differs by rounding at most."""
    return (
        found is not None
        and abs(found.accuracy - accuracy) < 1e-6
        and abs(found.margin - margin) < 2e-2
    )
