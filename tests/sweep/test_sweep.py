"""Whole sweeps, small ones, as a person runs them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest

from dpo_ray.data.report import DataReport
from dpo_ray.report.ranking import rank
from dpo_ray.report.recommended import recommended
from dpo_ray.tracking.data_lines import data_lines
from dpo_ray.tracking.journal import read_journal
from dpo_ray.tracking.state import fold
from tests.conftest import ROOT
from tests.sweeping import arguments

LONG = "training.max_steps=5000"
REAL_PAIRS = os.environ.get("DPO_RAY_REAL_PAIRS")


def runs_of(store, name):
    """The parent run and its children, from the store's own MLflow database."""
    client = mlflow.MlflowClient(f"sqlite:///{store}/mlflow.db")
    experiment = client.get_experiment_by_name("dpo-ray").experiment_id
    parent = client.search_runs([experiment], f"tags.`dpo_ray.sweep` = '{name}'")
    assert len(parent) == 1
    nested = f"tags.`mlflow.parentRunId` = '{parent[0].info.run_id}'"
    return client, parent[0], client.search_runs([experiment], nested)


def test_the_shipped_sweep_finds_a_configuration_that_beats_the_reference(shipped, run, store):
    done = shipped
    assert done.code == 0, done.errors
    state = done.state
    assert len(state.trials) == 12
    statuses = [row.status for row in state.trials.values()]
    assert statuses.count("STOPPED") >= 2
    assert set(statuses) <= {"COMPLETED", "STOPPED"}
    assert [row.origin for row in state.trials.values()].count("sampler") >= 6
    used = recommended(state, rank(state))
    assert used.metrics["eval/win_rate_low"] > 0.6
    folder = Path(used.trial.folder)
    last = used.step == used.trial.total_steps
    adapter = (folder if last else folder / f"step-{used.step:05d}") / "adapter"
    assert (adapter / "adapter_model.safetensors").is_file()
    for text in ("default", "reference", "Compare:  ", f"Adapter:  {adapter}\n", "95 %"):
        assert text in done.screen
    assert state.verdict.champion is not None
    assert state.confirmed[state.verdict.champion].metrics["confirm/against_default_low"] > 0

    client, parent, children = runs_of(store, "shipped")
    assert {run.info.status for run in [parent, *children]} == {"FINISHED"}
    (reference,) = (each for each in children if each.data.tags["stage"] == "reference")
    trained = [each for each in children if each is not reference]
    assert len(trained) == 12 + 12
    keys = [{key for key in each.data.metrics if key[:8] != "confirm/"} for each in trained]
    assert all(each == keys[0] for each in keys)
    compared = {f"result/{name}" for name in ("win_rate", "win_rate_low", "win_rate_high", "kl")}
    assert compared | {"system/cpu_utilization_percentage", "train/loss"} <= keys[0]
    assert all(compared <= set(each.data.metrics) for each in (parent, reference))
    names = {"beta", "learning_rate", "lora_rank", "log10.beta", "log10.learning_rate"}
    assert all(set(child.data.params) == names for child in trained)
    assert {each.data.tags["sweep"] for each in [parent, *children]} == {"shipped"}
    versions = client.search_model_versions("name = 'dpo-ray'")
    (version,) = (each for each in versions if each.tags["sweep"] == "shipped")
    assert Path(version.source.removeprefix("file://")).joinpath("adapter_config.json").is_file()
    artifacts = [item.path for item in client.list_artifacts(parent.info.run_id)]
    assert {"plan.yaml", "figures", "report.html"} <= set(artifacts)
    page = done.folder / "report.html"
    assert f"Report:   {page}\n" in done.screen
    verdict = f"Confirmed: {state.verdict.verdict}."
    assert f'<p class="verdict">{verdict}</p>' in page.read_text()
    assert state.plan.command[:4] == ["python", "-m", "dpo_ray.sweep", "search_spaces/beta.yaml"]

    again = run("shipped", small=False)
    assert again.code == 0
    assert "finished" in again.errors
    assert "Adapter:" in again.screen


@pytest.mark.skipif(not REAL_PAIRS, reason="DPO_RAY_REAL_PAIRS names no file of real pairs")
@pytest.mark.slow
def test_real_conversations_are_checked_counted_and_swept(run):
    began = time.monotonic()
    done = run("real", f"data.source={REAL_PAIRS}", "data.max_length=512", "search.trials=2")
    assert done.code == 0, done.errors
    assert time.monotonic() - began < 180
    rows = done.state.prepared.rows
    dropped = rows["duplicate_pair"] + rows["long_prompt"]
    assert rows["kept"] >= 150
    assert rows["kept"] == rows["train"] + rows["validation"] + rows["test"]
    assert rows["read"] == rows["kept"] + dropped == 300
    assert [row.status for row in done.state.trials.values()] == ["COMPLETED", "COMPLETED"]
    report = DataReport.model_validate(done.state.data.report)
    assert "\n".join(data_lines(report)) in done.errors


@pytest.mark.slow
def test_failing_trials_end_a_sweep_and_the_next_one_reuses_what_was_prepared(run):
    sick = ("training.learning_rate=1e30", "search.concurrent=1")
    space = "tests/sweep/beta_only.yaml"
    all_failed = run("failing", *sick, "search.trials=3", space=space)
    assert all_failed.code == 3
    assert "no trial ran to its end" in all_failed.errors
    assert {row.status for row in all_failed.state.trials.values()} == {"FAILED"}
    assert all_failed.state.ended.best is None

    too_many = run("too-many", *sick, "search.trials=9", "budget.failures=2", space=space)
    assert too_many.code == 4
    assert "2 trials failed and budget.failures=2" in too_many.errors
    assert len(too_many.state.trials) <= 3
    assert too_many.state.prepared.reused
    assert too_many.state.prepared.forwards == 0
    assert too_many.state.prepared.hashes == all_failed.state.prepared.hashes


@pytest.fixture
def begin(store, cluster):
    """Start a sweep that would run for hours; it is ended with the test."""
    begun = []

    def begin_it(name):
        command = arguments(store, name, LONG, space="search_spaces/beta.yaml", small=True)
        environment = {**os.environ, "RAY_ADDRESS": cluster}
        begun.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=sys.stderr))
        return begun[-1], store / "sweeps" / name / "journal.jsonl"

    yield begin_it
    for process in begun:
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_live_sweep_is_locked_and_ends_every_trial_when_told_to(begin, run, store):
    process, journal = begin("live")
    wait_for(lambda: journal.exists() and len(fold(read_journal(journal)).trials) == 2, 120)
    second = run("live", LONG)
    assert second.code == 6
    assert "another live process" in second.errors

    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130
    state = fold(read_journal(journal))
    assert {row.status for row in state.trials.values()} == {"KILLED"}
    assert (state.ended.exit_code, state.ended.reason) == (130, "interrupted by SIGTERM")
    _, parent, children = runs_of(store, "live")
    trained = [each for each in children if each.data.tags["stage"] != "reference"]
    assert {run.info.status for run in [parent, *trained]} == {"KILLED"}

    shorter = run("live", "training.max_steps=9")
    assert shorter.code == 2
    assert "sweep.training.max_steps: 5000, now 9" in shorter.errors
    assert len(read_journal(journal)) == state.ended.seq + 1


@pytest.mark.slow
def test_ctrl_c_while_the_slots_warm_up_ends_the_sweep_at_once(begin):
    process, journal = begin("cold")
    wait_for(journal.exists, 60)
    time.sleep(4)
    process.send_signal(signal.SIGINT)
    assert process.wait(90) == 130
    state = fold(read_journal(journal))
    assert {(row.status, row.step) for row in state.trials.values()} <= {("KILLED", 0)}
    assert (state.ended.exit_code, state.ended.reason) == (130, "interrupted by SIGINT")


def wait_for(condition, within_s):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.2)
