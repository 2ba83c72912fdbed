"""The mirror brings a journal into a real MLflow, once, whatever happens on the way."""

import shutil
import sqlite3
import threading
import time
from math import log10
from pathlib import Path

import pytest
from mlflow import MlflowClient

from dpo_ray.report.ranking import rank
from dpo_ray.tracking import mlflow_mirror
from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.mlflow_mirror import MlflowMirror
from dpo_ray.tracking.mlflow_server import default_uri
from dpo_ray.tracking.mlflow_texts import sweep_tags
from dpo_ray.tracking.records import (
    SweepEnded,
    SweepResumed,
    TrainMetrics,
    TrialEnded,
    TrialResumed,
)
from dpo_ray.tracking.state import fold


@pytest.fixture
def uri(tmp_path, empty_database) -> str:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return default_uri(tmp_path)


@pytest.fixture
def client(uri) -> MlflowClient:
    return MlflowClient(tracking_uri=uri)


def mirror(journal: Path, uri: str, timeout_s: float = 60) -> MlflowMirror:
    """Follow the whole journal from its start, as a new process would."""
    following = MlflowMirror(journal, uri, "dpo-ray", poll_s=0.05)
    following.start()
    assert following.close(timeout_s), following.problems
    return following


def runs(client: MlflowClient) -> dict[str, object]:
    """Every run by its trial's number, others under `parent` and `reference`."""
    experiment = client.get_experiment_by_name("dpo-ray").experiment_id
    found = client.search_runs([experiment], max_results=1000)
    by_trial = {
        run.data.tags.get("dpo_ray.trial", run.data.tags.get("stage", "parent")): run
        for run in found
    }
    assert len(by_trial) == len(found), "a twin"
    return by_trial


def metric_points(database: Path) -> int:
    with sqlite3.connect(database) as connection:
        (count,) = connection.execute("select count(*) from metrics").fetchone()
    connection.close()
    return count


def test_a_sweep_becomes_one_parent_with_a_child_per_trial(example_journal, uri, client):
    following = mirror(example_journal, uri)
    found = runs(client)
    parent = found.pop("parent")
    assert following.parent_run_id == parent.info.run_id
    assert len(found) == 12 + 1
    assert {run.data.tags["mlflow.parentRunId"] for run in found.values()} == {parent.info.run_id}
    states = {number: run.info.status for number, run in found.items()}
    finished = dict.fromkeys(["reference", *map(str, range(12))], "FINISHED")
    assert states == finished | {"5": "FAILED"}
    kept = [run for number, run in found.items() if number not in ("5", "reference")]
    assert len({frozenset(run.data.metrics) for run in kept}) == 1


def test_a_child_holds_what_is_searched_and_why_it_ended(example_journal, uri, client):
    mirror(example_journal, uri)
    run = runs(client)["1"]
    assert run.info.run_name == "t01 beta=0.374 lr=9.1e-4 r=2"
    logs = {"log10.beta": log10(0.374), "log10.learning_rate": log10(0.00091)}
    expected = {"beta": 0.374, "learning_rate": 0.00091, "lora_rank": 2} | logs
    assert {key: float(value) for key, value in run.data.params.items()} == pytest.approx(
        expected, abs=1e-4
    )
    assert run.data.tags["trial.state"] == "STOPPED"
    assert run.data.tags["trial.origin"] == "startup"
    assert run.data.tags["trial.reason"].startswith("stopped at step 15")


def test_points_stand_at_optimizer_steps_with_the_journals_times(example_journal, uri, client):
    mirror(example_journal, uri)
    run = runs(client)["0"].info.run_id
    rungs = [r for r in read_journal(example_journal) if r.kind == "rung" and r.trial == 0]
    points = client.get_metric_history(run, "eval/win_rate")
    assert [(p.step, p.value, p.timestamp) for p in points] == [
        (r.step, r.metrics["eval/win_rate"], round(r.time * 1000)) for r in rungs
    ]
    losses = client.get_metric_history(run, "train/loss")
    assert [point.step for point in losses] == list(range(5, 61, 5))


def test_the_parent_holds_plan_versions_best_and_a_note(example_journal, uri, client, tmp_path):
    mirror(example_journal, uri)
    found = runs(client)
    parent = found["parent"]
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["dpo_ray.sweep"] == "beta-1a2b3c4d"
    assert parent.data.tags["version.ray"] == "2.60.0"
    assert parent.data.tags["hash.scores"] == "c0ffee12"
    best = found["10"].data.metrics
    own = {k: v for k, v in parent.data.metrics.items() if not k.startswith("spent/")}
    assert own == {k: v for k, v in best.items() if k.startswith(("eval/", "result/"))}
    links, verdict, *_ = parent.data.tags["mlflow.note.content"].split("\n\n")
    assert verdict.startswith("**Best: t10**, beta 0.102, learning_rate 4.79e-3, lora_rank 8")
    assert found["10"].info.run_id in links
    plan = (tmp_path / "artifacts" / parent.info.run_id / "artifacts" / "plan.yaml").read_text()
    assert "choices:" in plan
    assert {file.path for file in client.list_artifacts(parent.info.run_id)} == {
        "figures",
        "plan.yaml",
    }


def test_an_adapter_is_an_artifact_of_its_run(example_journal, uri, client):
    mirror(example_journal, uri)
    found = runs(client)
    (file,) = client.list_artifacts(found["0"].info.run_id, "adapter")
    assert file.path == "adapter/adapter_config.json"
    assert client.list_artifacts(found["1"].info.run_id) == []


def test_a_fully_trained_model_is_a_path_and_no_artifact(example_journal, uri, client, tmp_path):
    adapter = f'"adapter":"{tmp_path}/sweeps/beta-1a2b3c4d/t00/adapter"'
    text = example_journal.read_text()
    example_journal.write_text(text.replace(adapter, f'"model":"{tmp_path}/t00/model"'))
    mirror(example_journal, uri)
    run = runs(client)["0"]
    assert run.data.tags["trial.model"] == f"{tmp_path}/t00/model"
    assert client.list_artifacts(run.info.run_id) == []


def test_starting_over_changes_nothing(example_journal, uri, client, tmp_path):
    mirror(example_journal, uri)
    points, before = metric_points(tmp_path / "mlflow.db"), runs(client)
    mirror(example_journal, uri)
    after = runs(client)
    assert metric_points(tmp_path / "mlflow.db") == points
    assert {key: run.info.run_id for key, run in after.items()} == {
        key: run.info.run_id for key, run in before.items()
    }
    assert {key: run.info.status for key, run in after.items()} == {
        key: run.info.status for key, run in before.items()
    }


def test_a_mirror_cut_off_anywhere_is_completed_by_the_next(example_journal, uri, client, tmp_path):
    lines = example_journal.read_bytes().splitlines(keepends=True)
    for end in (1, 5, 20, 60, 100, 150):
        part = tmp_path / "part.jsonl"
        part.write_bytes(b"".join(lines[:end]) + lines[end][:10])
        mirror(part, uri)
    mirror(example_journal, uri)
    found = runs(client)
    assert len(found) == 14
    assert {run.info.status for run in found.values()} == {"FINISHED", "FAILED"}
    expected = sum(
        len(r.metrics) for r in read_journal(example_journal) if r.kind in ("train", "rung")
    )
    once = [len(found[name].data.metrics) for name in ("parent", "reference")]
    once += [len(results(run)) for name, run in found.items() if name.isdigit()]
    assert metric_points(tmp_path / "mlflow.db") == expected + sum(once)


def results(run):
    return {key: value for key, value in run.data.metrics.items() if key.startswith("result/")}


def test_a_child_is_compared_by_the_checkpoint_it_is_ranked_by(example_journal, uri, client):
    mirror(example_journal, uri)
    state = fold(read_journal(example_journal))
    found = runs(client)
    names = ("win_rate", "win_rate_low", "win_rate_high", "kl")
    for row in rank(state):
        run = found["reference" if row.is_reference else str(row.trial.number)]
        judged = row.is_reference or row.place is not None
        own = {f"result/{name}": row.metrics[f"eval/{name}"] for name in names}
        assert results(run) == (own if judged else {})


def test_every_run_says_whose_it_is_and_of_which_commit(example_journal, uri, client):
    lines = example_journal.read_text().replace(
        '"versions":', '"project":{"commit":"c0ffee","dirty":true},"versions":', 1
    )
    example_journal.write_text(lines)
    mirror(example_journal, uri)
    told = ("sweep", "mlflow.source.git.commit", "git.dirty", "hash.data")
    for run in runs(client).values():
        said = [run.data.tags[name] for name in told]
        assert said == ["beta-1a2b3c4d", "c0ffee", "true", "9f1c2d3e"]


@pytest.mark.parametrize(
    ("name", "schedule", "night"),
    [
        ("nightly-20261126T0130Z", {"cron": "30 2 * * *"}, "20261126T0130Z"),
        ("nightly-20261126T0130Z", None, None),
        ("beta-1a2b3c4d", {"cron": "30 2 * * *"}, None),
    ],
)
def test_a_night_is_told_where_there_is_one(planned, name, schedule, night):
    plan = {"sweep": {"schedule": schedule}}
    state = fold([planned.model_copy(update={"name": name, "plan": plan})])
    assert sweep_tags(state).get("night") == night


def test_the_comparison_opens_from_both_notes(example_journal, uri, client):
    for _ in range(2):
        view = mirror(example_journal, uri).view
    parent = runs(client)["parent"]
    experiment = client.get_experiment(parent.info.experiment_id)
    assert view in parent.data.tags["mlflow.note.content"]
    assert experiment.tags["mlflow.note.content"] == (
        f"Compare the trials of [beta-1a2b3c4d]({view})"
    )
    (saved,) = (tag for tag in experiment.tags if tag.startswith("mlflow.sharedViewState."))
    assert view.endswith(f"viewStateShareKey={saved.removeprefix('mlflow.sharedViewState.')}")


def test_what_a_worker_used_is_told_beside_its_metrics(journal, planned, started, uri, client):
    used = {"system/cpu_utilization_percentage": 83.1}
    for record in (
        planned,
        started,
        TrainMetrics(trial=0, step=5, metrics={"train/loss": 0.7}, system=used),
    ):
        journal.append(record)
    mirror(journal.path, uri)
    assert runs(client)["0"].data.metrics == {"train/loss": 0.7} | used


def test_a_long_journal_is_written_part_by_part(
    example_journal, uri, client, tmp_path, monkeypatch
):
    monkeypatch.setattr(mlflow_mirror, "PART", 5000)
    following = mirror(example_journal, uri)
    lines = len(example_journal.read_bytes().splitlines())
    assert following.progress == (lines, lines)
    points, found = metric_points(tmp_path / "mlflow.db"), runs(client)
    monkeypatch.undo()
    mirror(example_journal, uri)
    assert metric_points(tmp_path / "mlflow.db") == points
    assert {key: run.data.metrics for key, run in runs(client).items()} == {
        key: run.data.metrics for key, run in found.items()
    }


def test_a_live_journal_is_followed_and_an_interrupt_leaves_nothing_running(
    journal: Journal, planned, started, uri, client
):
    following = MlflowMirror(journal.path, uri, "dpo-ray", poll_s=0.05)
    following.start()
    journal.append(planned)
    journal.append(started)
    deadline = time.monotonic() + 30
    while following.parent_run_id is None and time.monotonic() < deadline:
        time.sleep(0.05)
    journal.append(TrainMetrics(trial=0, step=5, metrics={"train/loss": 0.7}), sync=False)
    journal.append(SweepEnded(exit_code=130, reason="interrupted"))
    assert following.close(60), following.problems
    found = runs(client)
    assert found["parent"].info.status == "KILLED"
    assert found["0"].info.status == "KILLED"
    assert found["0"].data.tags["trial.state"] == "KILLED"
    assert found["0"].data.metrics == {"train/loss": 0.7}


def test_the_references_fine_tuning_is_a_child_of_its_own(
    journal, planned, started, sft, uri, client, tmp_path
):
    for record in (planned, *sft, started):
        journal.append(record)
    for _ in range(2):  # the second mirror begins the journal again
        mirror(journal.path, uri)
    found = runs(client)
    run, parent = found["reference"], found["parent"]
    assert (run.info.run_name, run.info.status) == ("reference", "FINISHED")
    tags = {"stage", "reused", "trial.state", "trial.reason", "trial.model", "mlflow.parentRunId"}
    assert {name: run.data.tags[name] for name in tags} == {
        "stage": "reference",
        "reused": "false",
        "trial.state": "COMPLETED",
        "trial.reason": "fine-tuned",
        "trial.model": "/store/cache/model-1/model",
        "mlflow.parentRunId": parent.info.run_id,
    }
    assert run.data.params == {}
    points = client.get_metric_history(run.info.run_id, "train/loss")
    assert [(point.step, point.value) for point in points] == [(1, 3.21), (30, 2.2), (60, 1.87)]
    file = tmp_path / "artifacts" / run.info.run_id / "artifacts" / "sft.yaml"
    assert "mode: lora" in file.read_text()
    note = parent.data.tags["mlflow.note.content"]
    assert "Reference: SFT done in 1 min 02 s, 60 steps, loss 3.21 -> 1.87" in note
    assert f"[the reference's SFT](#/experiments/{run.info.experiment_id}/runs/" in note


def test_a_tuned_reference_has_its_hashes_once_they_are_known(
    journal, planned, sft, example, uri, client
):
    (prepared,) = (record for record in example if record.kind == "prepared")
    following = MlflowMirror(journal.path, uri, "dpo-ray", poll_s=0.05)
    following.start()
    for record in (planned, *sft, prepared):
        line = journal.append(record)
        deadline = time.monotonic() + 30
        while following.progress[0] <= line.seq and time.monotonic() < deadline:
            time.sleep(0.02)
    assert following.close(60), following.problems
    tags = runs(client)["reference"].data.tags
    assert tags["hash.data"] == "9f1c2d3e"
    mirror(journal.path, uri)
    assert runs(client)["reference"].data.tags == tags


def test_a_reference_found_in_the_cache_says_so(journal, planned, found, uri, client):
    for record in (planned, *found):
        journal.append(record)
    mirror(journal.path, uri)
    run = runs(client)["reference"]
    assert (run.info.status, run.data.tags["reused"]) == ("FINISHED", "true")
    assert run.data.metrics == {"train/loss": 1.87}


@pytest.mark.parametrize(("state", "status"), [("FAILED", "FAILED"), ("KILLED", "KILLED")])
def test_a_fine_tuning_that_broke_has_its_status(journal, planned, sft, uri, client, state, status):
    broken = sft[-1].model_copy(update={"state": state, "model": None, "reason": "why"})
    for record in (planned, *sft[:-1], broken):
        journal.append(record)
    mirror(journal.path, uri)
    run = runs(client)["reference"]
    assert (run.info.status, run.data.tags["trial.reason"]) == (status, "why")
    assert "trial.model" not in run.data.tags


def test_a_sweep_killed_meanwhile_leaves_no_fine_tuning_running(journal, planned, sft, uri, client):
    for record in (planned, *sft[:-1], SweepEnded(exit_code=130, reason="interrupted")):
        journal.append(record)
    mirror(journal.path, uri)
    assert {run.info.status for run in runs(client).values()} == {"KILLED"}
    assert runs(client)["reference"].data.tags["trial.reason"] == "interrupted"


def test_infinite_values_are_not_logged(journal, planned, started, uri, client):
    journal.append(planned)
    journal.append(started)
    metrics = {"train/loss": float("nan"), "train/grad_norm": float("inf"), "train/ok": 1.0}
    journal.append(TrainMetrics(trial=0, step=1, metrics=metrics))
    mirror(journal.path, uri)
    assert runs(client)["0"].data.metrics == {"train/ok": 1.0}


def test_secrets_reach_neither_the_plan_nor_the_tags(
    journal, planned, started, uri, client, tmp_path
):
    plan = {"sweep": {"tracking": {"uri": "http://bob:hunter2@mlflow:5000"}, "hf_token": "hunter2"}}
    journal.append(planned.model_copy(update={"plan": plan}))
    journal.append(started)
    failed = "cannot read https://bob:hunter2@hub/model?token=hunter2"
    journal.append(TrialEnded(trial=0, state="FAILED", reason=failed, step=0, seconds=1.0))
    journal.append(SweepEnded(exit_code=4, reason=failed))
    mirror(journal.path, uri)
    found = runs(client)
    assert found["0"].data.tags["trial.reason"] == "cannot read https://***@hub/model?token=***"
    assert found["parent"].info.status == "FAILED"
    shown = [str(run.to_dictionary()) for run in found.values()]
    shown += [file.read_text() for file in (tmp_path / "artifacts").rglob("plan.yaml")]
    assert len(shown) == 3
    assert not any("hunter2" in text for text in shown)


def test_a_run_deleted_meanwhile_costs_only_itself(journal, planned, started, uri, client):
    following = MlflowMirror(journal.path, uri, "dpo-ray", poll_s=0.05)
    journal.append(planned)
    journal.append(started)
    journal.append(started.model_copy(update={"trial": 1}))
    following.start()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if client.get_experiment_by_name("dpo-ray") and "1" in (found := runs(client)):
            break
        time.sleep(0.2)
    client.delete_run(found["0"].info.run_id)
    for trial in (0, 1):
        journal.append(TrainMetrics(trial=trial, step=5, metrics={"train/loss": 0.6}))
        journal.append(TrialEnded(trial=trial, state="COMPLETED", reason="", step=5, seconds=1.0))
    assert not following.close(60)
    assert "must be in the 'active' state" in following.problems[0]
    kept = runs(client)["1"]
    assert kept.info.status == "FINISHED"
    assert kept.data.metrics == {"train/loss": 0.6}


def test_a_damaged_journal_ends_the_mirror_and_nothing_else(tmp_path, uri):
    path = tmp_path / "journal.jsonl"
    path.write_text("not json\n")
    following = MlflowMirror(path, uri, "dpo-ray", poll_s=0.05)
    following.start()
    assert not following.close(30)
    assert "CorruptJournal" in following.problems[0]


def test_only_the_mirrors_own_thread_talks_to_mlflow(example_journal, uri):
    callers: set[str] = set()
    threading.setprofile(
        lambda frame, event, _: (
            callers.add(threading.current_thread().name)
            if frame.f_code.co_name == "log_batch"
            else None
        )
    )
    try:
        mirror(example_journal, uri)
    finally:
        threading.setprofile(None)
    assert callers == {"mlflow-mirror"}


def test_a_sweep_that_goes_on_reopens_its_own_runs(tmp_path, uri, client, planned, started):
    journal = Journal.create(tmp_path / "journal.jsonl")
    killed = TrialEnded(trial=0, state="KILLED", reason="SIGTERM", step=30, seconds=9.0)
    for record in (planned, started, killed, SweepEnded(exit_code=130, reason="SIGTERM")):
        journal.append(record)
    mirror(journal.path, uri)
    before = runs(client)
    assert {run.info.status for run in before.values()} == {"KILLED"}

    facts = {"plan": planned.plan, "host": "there", "pid": 2, "versions": {}}
    journal.append(SweepResumed(**facts))
    journal.append(TrialResumed(trial=0, slot="slot-0", step=30, total_steps=60))
    mirror(journal.path, uri)
    assert {run.info.status for run in runs(client).values()} == {"RUNNING"}

    journal.append(TrainMetrics(trial=0, step=60, metrics={"train/loss": 0.1}))
    done = TrialEnded(trial=0, state="COMPLETED", reason="ran all", step=60, seconds=9.0)
    journal.append(done)
    journal.append(SweepEnded(exit_code=0, reason="all trials of the plan are done"))
    mirror(journal.path, uri)
    after = runs(client)
    assert {run.info.status for run in after.values()} == {"FINISHED"}
    assert {key: run.info.run_id for key, run in after.items()} == {
        key: run.info.run_id for key, run in before.items()
    }
    assert after["parent"].data.metrics["spent/hours"] > 0


def test_a_server_that_is_away_is_complained_of_without_its_password(example_journal, caplog):
    following = MlflowMirror(example_journal, "http://somebody:hidden@127.0.0.1:9", "dpo-ray")
    following.start()
    assert not following.close(3)
    assert "the mirror goes on trying" in caplog.text
    assert "hidden" not in caplog.text + " ".join(following.problems)
