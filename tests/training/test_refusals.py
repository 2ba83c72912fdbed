"""Trials that are ended at once, each with its reason and the step."""

from dataclasses import replace

import pytest
import torch

from dpo_ray.config.evaluation import LimitsConfig
from dpo_ray.training.refusals import (
    BeyondLimits,
    NonFinite,
    refuse_non_finite_weights,
    refuse_stillness,
)
from dpo_ray.training.trial import run_trial
from tests.training.conftest import InProcessMailbox

STILL = {"learning_rate": 1e-12}


@pytest.mark.parametrize("params", [STILL, STILL | {"mode": "full"}], ids=["lora", "full"])
def test_a_learning_rate_that_does_nothing_ends_the_trial_at_its_first_rung(
    make_job, desk, tmp_path, params
):
    mailbox = InProcessMailbox()
    outcome = run_trial(make_job(tmp_path, **params), 1, desk, mailbox)
    assert (outcome.state, outcome.by_limits, outcome.step) == ("FAILED", True, 4)
    assert outcome.reason.startswith("no movement: at step 4 mean |D| is ")
    assert abs(outcome.metrics["eval/logratio_margin"]) < 1e-5
    assert mailbox.rungs == []


def test_during_warm_up_nobody_has_to_move(make_job, desk, tmp_path):
    mailbox = InProcessMailbox()
    outcome = run_trial(make_job(tmp_path, warmup=0.6, **STILL), 1, desk, mailbox)
    assert outcome.reason.startswith("no movement: at step 8 ")
    assert [step for step, *_ in mailbox.rungs] == [4]


def test_a_confirmation_has_to_move_too(make_job, desk, tmp_path):
    job = replace(make_job(tmp_path, **STILL), stop_at=6)
    outcome = run_trial(job, 1, desk, InProcessMailbox())
    assert outcome.reason.startswith("no movement: at step 6 ")


@pytest.mark.parametrize("learning_rate", [5e-4, 5e-3])
def test_learning_rates_of_the_shipped_space_move(make_job, desk, tmp_path, learning_rate):
    outcome = run_trial(
        make_job(tmp_path, learning_rate=learning_rate), 1, desk, InProcessMailbox()
    )
    assert not outcome.reason.startswith("no movement")
    assert outcome.step == 8


def test_movement_is_the_mean_of_what_each_pair_moved():
    limits = LimitsConfig(min_movement=0.1)
    refuse_stillness([0.2, -0.2], {}, limits, 5, warm_up=4.0)  # their mean is 0
    with pytest.raises(BeyondLimits, match=r"mean \|D\| is 0.05 nats .*min_movement=0.1"):
        refuse_stillness([0.1, 0.0], {}, limits, 5, warm_up=4.0)
    refuse_stillness([0.0], {}, limits, 4, warm_up=4.0)
    refuse_stillness([0.0], {}, LimitsConfig(min_movement=None), 5, warm_up=4.0)


def test_gradients_that_are_no_numbers_end_the_trial_between_two_lines_of_its_log(
    make_job, desk, tmp_path
):
    settings = "training.logging_steps=8", "evaluation.at=[1.0]"
    job = make_job(tmp_path, *settings, learning_rate=1e30)
    mailbox = InProcessMailbox()
    outcome = run_trial(job, 1, desk, mailbox)
    assert outcome.state == "FAILED"
    assert outcome.reason == f"non-finite at step {outcome.step + 1}: grad_norm is nan"
    assert outcome.step < 7
    assert mailbox.logs == []


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_where_they_are_trained(bad):
    model = torch.nn.Linear(2, 2)
    with torch.no_grad():
        model.bias[1] = bad
    with pytest.raises(NonFinite, match="non-finite at step 4: weights of bias"):
        refuse_non_finite_weights(model, 4)
    refuse_non_finite_weights(model.requires_grad_(False), 4)


def test_a_policy_whose_weights_broke_is_not_evaluated(make_job, desk, tmp_path, monkeypatch):
    """The update of a rung's own step shows in no loss yet."""
    whole = torch.optim.AdamW.step

    def spoil(self, *others, **named):
        whole(self, *others, **named)
        self.param_groups[0]["params"][0].data.fill_(float("nan"))

    monkeypatch.setattr(torch.optim.AdamW, "step", spoil)
    mailbox = InProcessMailbox()
    job = make_job(tmp_path, "training.max_steps=1")
    outcome = run_trial(job, 1, desk, mailbox)
    assert outcome.reason.startswith("non-finite at step 1: weights of ")
    assert mailbox.files == []


def test_a_broken_step_of_warm_up_counts_as_one():
    """Of two steps with a tenth as warm-up the first has a learning rate of 0."""
    refuse_stillness([0.0], {}, LimitsConfig(), 1, warm_up=0.2)
    with pytest.raises(BeyondLimits, match="no movement"):
        refuse_stillness([0.0], {}, LimitsConfig(), 2, warm_up=0.2)
