"""SFT, pairs, DPO: the three stages as one command, and what one flag changes."""

import math
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from dpo_ray.reference.model import model_folder
from dpo_ray.tracking.journal import read_journal
from dpo_ray.tracking.records import ReferenceMetrics, TrainMetrics
from tests.sweep.test_sweep import runs_of

pytestmark = pytest.mark.slow
FLAG = "reference.sft={mode: full, learning_rate: 4.0e-3, max_steps: 150, batch_size: 32}"
SHORT = ("search.trials=2", "search.concurrent=1", "training.max_steps=4")


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """The embedded model as it was before it had learned anything."""
    folder = tmp_path_factory.mktemp("models") / "untrained"
    shutil.copytree(model_folder("embedded"), folder)
    torch.manual_seed(0)
    fresh = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    fresh.save_pretrained(folder)
    return f"model.name={folder}"


@pytest.fixture(scope="module")
def tuned(run, untrained):
    """A sweep whose reference is fine-tuned first."""
    return run("tuned", untrained, FLAG, *SHORT)


def step_one_losses(done):
    return [
        record.metrics["train/loss"]
        for record in read_journal(done.folder / "journal.jsonl")
        if isinstance(record, TrainMetrics) and record.step == 1
    ]


def test_dpo_starts_from_the_fine_tuned_model_and_is_held_to_it(tuned, store):
    assert tuned.code == 0, tuned.errors
    losses = [
        record.metrics["train/loss"]
        for record in read_journal(tuned.folder / "journal.jsonl")
        if isinstance(record, ReferenceMetrics)
    ]
    assert losses[0] > 6
    assert losses[-1] < losses[0] / 2
    assert tuned.state.sft.status == "COMPLETED"
    assert {row.status for row in tuned.state.trials.values()} == {"COMPLETED"}
    assert step_one_losses(tuned) == pytest.approx([math.log(2)] * 2, abs=1e-5)

    client, parent, children = runs_of(store, "tuned")
    reference = next(run for run in children if run.info.run_name == "reference")
    curve = client.get_metric_history(reference.info.run_id, "train/loss")
    assert [point.value for point in curve] == losses
    assert {run.info.status for run in [parent, *children]} == {"FINISHED"}
    assert len(children) == 3


def test_without_the_flag_the_model_itself_is_the_reference(run, tuned, untrained):
    untuned = run("untuned", untrained, *SHORT)
    assert untuned.code == 0, untuned.errors
    assert untuned.state.sft is None
    # Without SFT the reference has learned neither words nor where a review ends.
    assert untuned.state.reference["eval/truncated"] > 0.9
    assert tuned.state.reference["eval/truncated"] < untuned.state.reference["eval/truncated"]


def test_the_next_sweep_finds_the_reference_and_may_train_all_its_weights(run, tuned, untrained):
    full = ("training.mode=full", "training.learning_rate=1e-4")
    again = run("full", untrained, FLAG, *SHORT, *full, space="tests/sweep/beta_only.yaml")
    assert again.code == 0, again.errors
    assert again.state.sft.reused
    assert again.state.sft.model == tuned.state.sft.model
    assert again.state.sft.loss == tuned.state.sft.loss
    assert again.state.prepared.forwards == 0
    assert again.state.prepared.hashes["model"] == Path(tuned.state.sft.model).parent.name

    assert {row.status for row in again.state.trials.values()} == {"COMPLETED"}
    assert step_one_losses(again) == pytest.approx([math.log(2)] * 2, abs=1e-5)
    best = again.state.trials[again.state.ended.best]
    assert best.adapter is None
    assert AutoModelForCausalLM.from_pretrained(best.model).num_parameters() > 0
    assert best.model in again.screen
