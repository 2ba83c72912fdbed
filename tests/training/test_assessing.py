import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pyarrow import parquet

from dpo_ray.data.adapter_card import CARD
from dpo_ray.data.trial_files import ASSESSED, COMPLETIONS, checkpoint_folder
from dpo_ray.training.assessing import assess
from dpo_ray.training.jobs import AssessJob
from dpo_ray.training.trial import run_trial
from tests.training.conftest import InProcessMailbox


@pytest.fixture(scope="module")
def trained(make_job, desk, tmp_path_factory):
    """A trial, its outcome, and what it measured at its end."""
    torch.set_num_threads(1)
    job, mailbox = make_job(tmp_path_factory.mktemp("trained"), beta=0.3), InProcessMailbox()
    return job, run_trial(job, 1, desk, mailbox), mailbox.rungs[-1][2]


def assess_job(job, folder, adapter):
    return AssessJob(replace(job, folder=folder), Path(adapter))


def test_a_saved_adapter_scores_what_it_scored_when_it_was_trained(trained, desk, tmp_path):
    job, outcome, metrics = trained
    found = assess(assess_job(job, tmp_path, outcome.adapter), 2, desk, InProcessMailbox())
    assert found.state == "COMPLETED"
    assert found.metrics == metrics


def test_its_answers_lie_where_a_trials_do(trained, desk, tmp_path):
    job, outcome, _ = trained
    assess(assess_job(job, tmp_path, outcome.adapter), 2, desk, InProcessMailbox())
    ours = parquet.read_table(checkpoint_folder(tmp_path, ASSESSED) / COMPLETIONS)
    theirs = parquet.read_table(checkpoint_folder(job.folder, outcome.step) / COMPLETIONS)
    assert ours.equals(theirs)


def test_another_stream_draws_other_answers(trained, desk, tmp_path):
    job, outcome, _ = trained
    other = replace(assess_job(job, tmp_path, outcome.adapter).like, stream=1)
    assess(AssessJob(other, Path(outcome.adapter)), 2, desk, InProcessMailbox())
    ours = parquet.read_table(checkpoint_folder(tmp_path, ASSESSED) / COMPLETIONS)
    theirs = parquet.read_table(checkpoint_folder(job.folder, outcome.step) / COMPLETIONS)
    assert not ours.equals(theirs)


def test_the_base_model_comes_back_bare_and_unchanged(trained, desk, tmp_path):
    job, outcome, _ = trained
    base = desk.model(job.model)
    names, before = set(base.__dict__), {n: t.clone() for n, t in base.state_dict().items()}
    assess(assess_job(job, tmp_path, outcome.adapter), 2, desk, InProcessMailbox())
    assert desk.model(job.model) is base
    assert set(base.__dict__) == names
    after = base.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_policy_beyond_a_limit_is_a_finding(trained, desk, tmp_path):
    job, outcome, _ = trained
    limits = job.evaluation.limits.model_copy(update={"max_kl": 1e-9})
    strict = replace(job, evaluation=job.evaluation.model_copy(update={"limits": limits}))
    found = assess(assess_job(strict, tmp_path, outcome.adapter), 2, desk, InProcessMailbox())
    assert (found.state, found.by_limits) == ("FAILED", True)
    assert found.reason.startswith("degenerate at step 0")


def test_an_adapter_without_its_card_is_refused_by_name(trained, desk, tmp_path):
    job, outcome, _ = trained
    bare = tmp_path / "bare"
    bare.mkdir()
    for file in Path(outcome.adapter).iterdir():
        if file.name != CARD:
            (bare / file.name).write_bytes(file.read_bytes())
    found = assess(assess_job(job, tmp_path, bare), 2, desk, InProcessMailbox())
    assert found.state == "FAILED"
    assert f"{bare}: has no dpo_ray.json" in found.reason


def test_an_adapter_of_another_model_fails_and_the_next_job_has_a_clean_base(
    trained, desk, tmp_path
):
    job, outcome, metrics = trained
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in Path(outcome.adapter).iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    config = json.loads((broken / "adapter_config.json").read_text())
    (broken / "adapter_config.json").write_text(json.dumps(config | {"r": config["r"] * 2}))
    found = assess(assess_job(job, tmp_path, broken), 2, desk, InProcessMailbox())
    assert (found.state, found.by_limits) == ("FAILED", False)
    again = assess(assess_job(job, tmp_path, outcome.adapter), 3, desk, InProcessMailbox())
    assert again.metrics == metrics
