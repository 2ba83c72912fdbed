"""What a trial leaves of its checkpoints, when it is broken, and how far it goes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet
from safetensors.torch import load_file

from dpo_ray.data.adapter_card import read_card
from dpo_ray.training.trial import run_trial
from tests.training.conftest import InProcessMailbox


@pytest.fixture(scope="module")
def ran(make_job, desk, tmp_path_factory):
    job = make_job(tmp_path_factory.mktemp("kept"), trial=3, beta=0.2)
    mailbox = InProcessMailbox()
    return job, mailbox, run_trial(job, 1, desk, mailbox)


def table(job, step, name):
    return parquet.read_table(job.folder / f"step-{step:05d}" / f"{name}.parquet")


def test_every_checkpoint_keeps_its_tables_and_its_adapter(ran):
    job, mailbox, outcome = ran
    assert outcome.state == "COMPLETED"
    for step, _, metrics in mailbox.rungs:
        examples = table(job, step, "examples")
        assert len(examples) == 16
        found = examples["reward_margin"].to_numpy()
        assert found.mean() == pytest.approx(metrics["eval/rewards/margins"], abs=1e-6)
        assert examples["weight"].to_numpy() == pytest.approx(1 / (1 + np.exp(found)), abs=1e-6)
        gap = examples["l_chosen"].to_numpy() - examples["l_rejected"].to_numpy()
        assert examples["margin"].to_numpy() == pytest.approx(gap, abs=1e-5)
        answers = table(job, step, "completions")
        assert answers["outcome"].to_numpy().mean() == metrics["eval/win_rate"]
        assert set(answers["verdict"].to_pylist()) <= {"win", "tie", "loss"}
    (early, _, _), _ = mailbox.rungs
    adapter = job.folder / f"step-{early:05d}" / "adapter" / "adapter_model.safetensors"
    assert set(load_file(adapter)) == set(load_file(f"{outcome.adapter}/adapter_model.safetensors"))


def test_the_last_completions_are_shown_as_a_table(ran):
    job, mailbox, _ = ran
    last = f"step-{mailbox.rungs[-1][0]:05d}"
    assert mailbox.files[-1] == str(job.folder / last / "completions.parquet")
    assert len(mailbox.files) == 2 * len(mailbox.rungs) + 1


def test_the_card_says_how_to_ask_the_policy_again(ran):
    job, mailbox, outcome = ran
    card = read_card(Path(outcome.adapter))
    assert (card.beta, card.trial, card.step) == (0.2, 3, 8)
    assert card.model == str(job.model.folder)
    early = read_card(job.folder / f"step-{mailbox.rungs[0][0]:05d}" / "adapter")
    assert early.step == mailbox.rungs[0][0]


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ({"min_length_ratio": 100.0, "max_length_ratio": None}, "length"),
        ({"max_kl": 1e-9}, "KL"),
        ({"max_kl_per_token": 1e-9}, "KL"),
    ],
)
def test_broken_text_fails_the_trial_with_its_numbers(make_job, desk, tmp_path, limit, words):
    job = make_job(tmp_path)
    limits = job.evaluation.limits.model_copy(update=limit)
    job = replace(job, evaluation=job.evaluation.model_copy(update={"limits": limits}))
    mailbox = InProcessMailbox()
    outcome = run_trial(job, 1, desk, mailbox)
    assert (outcome.state, outcome.by_limits, outcome.step) == ("FAILED", True, 4)
    assert outcome.reason.startswith("degenerate at step 4: ")
    assert words.lower() in outcome.reason.lower()
    assert outcome.metrics["eval/kl"] > 0
    assert mailbox.rungs == []
    assert table(job, 4, "completions")["policy"].to_pylist()


def test_a_trial_stopped_at_its_chosen_step_is_the_whole_one_up_to_there(
    ran, make_job, desk, tmp_path
):
    whole = ran[1].train("loss")
    job = replace(make_job(tmp_path, trial=3, beta=0.2), stop_at=6)
    mailbox = InProcessMailbox()
    outcome = run_trial(job, 1, desk, mailbox)
    assert (outcome.state, outcome.step) == ("COMPLETED", 6)
    assert outcome.reason == "stopped at its chosen step, 6 of 8"
    assert [step for step, *_ in mailbox.rungs] == [6]
    assert mailbox.train("loss") == whole[:6]


def test_each_stream_draws_other_answers_of_the_same_policy(make_job, desk, tmp_path):
    def answers(stream):
        job = replace(make_job(tmp_path / str(stream)), stop_at=4, stream=stream)
        run_trial(job, 1, desk, InProcessMailbox())
        return table(job, 4, "completions")["policy"].to_pylist()

    assert answers(1) == answers(1)
    assert answers(1) != answers(2)


def test_without_the_example_weight_every_pair_weighs_one(make_job, desk, tmp_path):
    job = make_job(tmp_path, example_weight=False)
    mailbox = InProcessMailbox()
    assert run_trial(job, 1, desk, mailbox).state == "COMPLETED"
    step, _, metrics = mailbox.rungs[-1]
    assert set(table(job, step, "examples")["weight"].to_pylist()) == {1.0}
    assert metrics["eval/dpo_weight/effective_sample_size"] == 1.0
    assert read_card(job.folder / "adapter").example_weight is False
