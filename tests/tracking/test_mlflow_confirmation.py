"""A confirmation in a real MLflow: child runs of their own, and the verdict first."""

import json
import shutil
from pathlib import Path

import mlflow
import pyarrow as pa
import pytest
from mlflow import MlflowClient
from pyarrow import parquet

from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.mlflow_mirror import MlflowMirror
from dpo_ray.tracking.mlflow_server import default_uri
from dpo_ray.tracking.records import (
    CONFIRMATIONS,
    ArtifactWritten,
    Candidate,
    CandidateConfirmed,
    ConfirmationPlanned,
    Confirmed,
    RungReached,
    TrialEnded,
    TrialStarted,
)

VERDICT = "beta 0.102, lora_rank 8 beats the default by 6.1 +- 2.9 points on 400 unseen prompts"


def evaluation(rate: float) -> dict[str, float]:
    return {"eval/win_rate": rate, "eval/win_rate_low": rate - 0.05, "eval/kl": 2.0}


def confirmation(tmp_path: Path) -> list[object]:
    """Trial 10 at step 30 and the default at its end, each on two seeds."""
    tried = Candidate(
        trial=10, step=30, fraction=0.5, total_steps=60, params={"beta": 0.102, "lora_rank": 8},
        is_default=False, metrics=evaluation(0.8),
    )  # fmt: skip
    default = tried.model_copy(update={"trial": 0, "step": 60, "is_default": True})
    records: list[object] = [
        ConfirmationPlanned(
            candidates=[tried, default], seeds=[1000, 1001], prompts=400, reference=evaluation(0.5)
        )
    ]
    for number in range(4):
        trial, which = CONFIRMATIONS + number, (tried, default)[number % 2]
        records += [
            TrialStarted(
                trial=trial, params=which.params, origin="confirmation", slot="slot-0",
                folder=f"{tmp_path}/c0{number}", total_steps=60, confirms=number % 2,
                seed=1000 + number // 2,
            ),
            RungReached(trial=trial, step=which.step, fraction=0.5, metrics=evaluation(0.7)),
            TrialEnded(
                trial=trial, state="COMPLETED", reason="stopped at its chosen step",
                step=which.step, seconds=5.0,
            ),
        ]  # fmt: skip
    lead = {"confirm/win_rate": 0.7, "confirm/against_default": 0.061, "confirm/optimism": 0.1}
    return [
        *records,
        CandidateConfirmed(candidate=0, metrics=lead),
        CandidateConfirmed(candidate=1, metrics={"confirm/win_rate": 0.64}),
        Confirmed(champion=0, verdict=VERDICT),
    ]


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory) -> tuple[MlflowClient, dict[str, object]]:
    folder = tmp_path_factory.mktemp("confirmed")
    example = Path(__file__).parents[1] / "report" / "example.journal.jsonl"
    source = folder / "example.jsonl"
    source.write_text(example.read_text().replace("@STORE@", str(folder)))
    *before, end = read_journal(source)
    for record in before:
        if record.kind == "trial_ended" and record.adapter:
            Path(record.adapter).mkdir(parents=True)
        if record.kind == "artifact":
            Path(record.path).write_bytes(b"a picture")
    table = folder / "completions.parquet"
    rows = {"prompt": ["The soup", "¿Qué?"], "policy": [" was good", " sí"], "outcome": [1.0, None]}
    parquet.write_table(pa.table(rows), table)
    journal = Journal.create(folder / "journal.jsonl")
    for record in [
        *before,
        ArtifactWritten(path=str(table), folder="checkpoints/step-00060", trial=10, table=True),
        *confirmation(folder),
        end.model_copy(update={"step": 30}),
    ]:
        journal.append(record)
    journal.close()
    uri = default_uri(folder)
    for _ in range(2):  # a mirror that starts again writes nothing twice
        following = MlflowMirror(journal.path, uri, "dpo-ray", poll_s=0.05)
        following.start()
        assert following.close(90), following.problems
    shutil.rmtree(folder / "sweeps")
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("dpo-ray").experiment_id
    found = client.search_runs([experiment], max_results=100)
    runs = {
        run.data.tags.get("dpo_ray.trial", run.data.tags.get("stage", "parent")): run
        for run in found
    }
    assert len(found) == len(runs) == 1 + 1 + 12 + 4
    return client, runs


def test_each_training_is_a_child_run_that_says_what_it_tries_again(mirrored):
    _, runs = mirrored
    run = runs[str(CONFIRMATIONS + 2)]
    assert run.info.run_name.startswith("c02 ")
    assert run.info.status == "FINISHED"
    assert run.data.tags["mlflow.parentRunId"] == runs["parent"].info.run_id
    told = {key: run.data.tags[key] for key in ("stage", "confirm.of", "confirm.seed")}
    assert told == {"stage": "confirmation", "confirm.of": "t10", "confirm.seed": "1001"}
    assert run.data.metrics["eval/win_rate"] == 0.7
    assert runs["10"].data.tags["stage"] == "search"


def test_what_was_confirmed_stands_beside_what_was_searched(mirrored):
    client, runs = mirrored
    (point,) = client.get_metric_history(runs["10"].info.run_id, "confirm/win_rate")
    assert (point.step, point.value) == (30, 0.7)
    assert runs["0"].data.metrics["confirm/win_rate"] == 0.64


def test_the_parent_opens_with_the_verdict_and_a_table(mirrored):
    _, runs = mirrored
    tags = runs["parent"].data.tags
    assert tags["confirm.verdict"] == VERDICT
    links, verdict, _ended, title, *_ = tags["mlflow.note.content"].split("\n\n")
    assert verdict == f"**Confirmed:** {VERDICT}."
    assert "stage" in links
    assert title == "Confirmation on 2 fresh seeds and 400 unseen prompts:"
    assert (
        f"**[t10](#/experiments/1/runs/{runs['10'].info.run_id})**" in tags["mlflow.note.content"]
    )
    assert runs["parent"].data.metrics["confirm/against_default"] == 0.061


def test_a_table_is_one_that_mlflow_itself_can_load(mirrored):
    client, runs = mirrored
    mlflow.set_tracking_uri(client.tracking_uri)  # it looks there, too
    run = runs["10"].info.run_id
    name = "checkpoints/step-00060/completions.json"
    assert json.loads(runs["10"].data.tags["mlflow.loggedArtifacts"]) == [
        {"path": name, "type": "table"}
    ]
    loaded = client.load_table(runs["10"].info.experiment_id, name, run_ids=[run])
    assert loaded["prompt"].tolist() == ["The soup", "¿Qué?"]
    assert loaded["outcome"].isna().tolist() == [False, True]
