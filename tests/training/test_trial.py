import math
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from dpo_ray.tracking.tracebacks import essence
from dpo_ray.training.trial import run_trial
from tests.training.conftest import InProcessMailbox


@pytest.fixture
def mailbox():
    return InProcessMailbox()


def test_a_trial_reports_every_rung_and_saves_its_adapter(make_job, desk, mailbox, tmp_path):
    outcome = run_trial(make_job(tmp_path), 1, desk, mailbox)
    assert (outcome.state, outcome.step, mailbox.total_steps) == ("COMPLETED", 8, 8)
    assert [(step, fraction) for step, fraction, _ in mailbox.rungs] == [(4, 0.5), (8, 1.0)]
    assert [step for step, _ in mailbox.logs] == list(range(1, 9))
    assert load_file(f"{outcome.adapter}/adapter_model.safetensors")


def test_every_rung_of_every_trial_has_the_same_metrics(make_job, desk, mailbox, tmp_path):
    run_trial(make_job(tmp_path), 1, desk, mailbox)
    first, second = (set(metrics) for _, _, metrics in mailbox.rungs)
    assert first == second
    assert {"eval/win_rate", "eval/win_rate_low", "eval/kl", "eval/logratio_margin"} <= first


def test_a_margin_is_beta_times_the_log_ratio_margin(make_job, desk, mailbox, tmp_path):
    run_trial(make_job(tmp_path, beta=0.3), 1, desk, mailbox)
    metrics = mailbox.rungs[-1][2]
    assert metrics["eval/rewards/margins"] == pytest.approx(0.3 * metrics["eval/logratio_margin"])


@pytest.mark.parametrize(("verdict", "state"), [("stop", "STOPPED"), ("cancel", "KILLED")])
def test_a_verdict_at_a_rung_ends_the_trial_there(make_job, desk, tmp_path, verdict, state):
    mailbox = InProcessMailbox(at_rungs={4: verdict})
    outcome = run_trial(make_job(tmp_path), 1, desk, mailbox)
    assert (outcome.state, outcome.step) == (state, 4)
    assert outcome.adapter is not None


def test_a_cancel_between_rungs_is_obeyed_at_the_next_poll(make_job, desk, tmp_path):
    mailbox = InProcessMailbox(at_poll="cancel")
    outcome = run_trial(make_job(tmp_path), 1, desk, mailbox)
    assert (outcome.state, outcome.step) == ("KILLED", 5)


def test_the_base_model_comes_back_bare_and_unchanged(make_job, desk, mailbox, tmp_path):
    job = make_job(tmp_path)
    base = desk.model(job.model)
    before = {name: tensor.clone() for name, tensor in base.state_dict().items()}
    run_trial(job, 1, desk, mailbox)
    assert desk.model(job.model) is base
    after = base.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert "forward" not in base.__dict__
    assert base.config.use_cache
    assert not hasattr(base, "peft_config")


def test_a_diverging_trial_fails_as_non_finite_and_the_next_one_is_well(make_job, desk, tmp_path):
    sick = run_trial(make_job(tmp_path / "a", learning_rate=1e30), 1, desk, InProcessMailbox())
    assert sick.state == "FAILED"
    assert sick.reason.startswith("non-finite at step")
    assert sick.fatal is None
    well = InProcessMailbox()
    assert run_trial(make_job(tmp_path / "b"), 2, desk, well).state == "COMPLETED"
    assert all(math.isfinite(loss) for loss in well.train("loss"))


def test_a_configuration_the_model_refuses_fails_its_trial_alone(make_job, desk, tmp_path):
    job = make_job(tmp_path / "a", "training.target_modules=[no_such_layer]")
    outcome = run_trial(job, 1, desk, InProcessMailbox())
    assert outcome.state == "FAILED"
    assert "no_such_layer" in outcome.reason
    assert run_trial(make_job(tmp_path / "b"), 2, desk, InProcessMailbox()).state == "COMPLETED"


def test_an_error_nobody_foresaw_leaves_its_traceback_and_a_rule_needs_none(
    make_job, desk, tmp_path
):
    job = make_job(tmp_path / "a", "training.target_modules=[no_such_layer]")
    run_trial(job, 1, desk, InProcessMailbox())
    lines = essence((job.folder / "error.log").read_text())
    assert lines[0].startswith("dpo_ray/training/attempt.py:")
    assert "no_such_layer" in lines[-1]
    assert not list(job.folder.glob(".error.log*"))

    run_trial(replace(make_job(tmp_path / "a"), folder=job.folder), 2, desk, InProcessMailbox())
    assert not (job.folder / "error.log").exists(), "an earlier life's error stays"

    sick = make_job(tmp_path / "b", learning_rate=1e30)
    run_trial(sick, 3, desk, InProcessMailbox())
    assert not (sick.folder / "error.log").exists()


def test_a_trial_does_not_depend_on_the_ones_before_it(make_job, desk, tmp_path):
    alone, after_others = InProcessMailbox(), InProcessMailbox()
    run_trial(make_job(tmp_path / "a", beta=0.2), 1, desk, alone)
    stopped = InProcessMailbox(at_rungs={4: "stop"})
    run_trial(make_job(tmp_path / "b", beta=0.5, lora_rank=2), 2, desk, stopped)
    run_trial(make_job(tmp_path / "c", beta=0.2), 3, desk, after_others)
    assert alone.logs == after_others.logs
    assert alone.rungs == after_others.rungs


def test_evaluation_does_not_move_the_training(make_job, desk, tmp_path):
    with_rungs, without = InProcessMailbox(), InProcessMailbox()
    run_trial(make_job(tmp_path / "a"), 1, desk, with_rungs)
    run_trial(make_job(tmp_path / "b", "evaluation.at=[1.0]"), 2, desk, without)
    assert with_rungs.logs == without.logs


def test_accumulated_gradients_equal_one_large_batch(make_job, desk, tmp_path):
    whole, parts = InProcessMailbox(), InProcessMailbox()
    run_trial(make_job(tmp_path / "a"), 1, desk, whole)
    job = make_job(tmp_path / "b", "training.gradient_accumulation=2")
    run_trial(job, 2, desk, parts)
    assert parts.train("loss") == pytest.approx(whole.train("loss"), abs=1e-5)
