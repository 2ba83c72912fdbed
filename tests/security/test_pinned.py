"""S14: the commits that were found once are what MLflow tells of every run."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow import MlflowClient

from dpo_ray.config.loading import load_sweep
from dpo_ray.data.report import DataReport, TokenReport
from dpo_ray.search import preparation
from dpo_ray.search.inputs import Inputs, check_inputs
from dpo_ray.search.preparation import Done, prepared_record
from dpo_ray.tracking.journal import Journal
from dpo_ray.tracking.mlflow_mirror import MlflowMirror
from dpo_ray.tracking.mlflow_server import default_uri
from dpo_ray.tracking.records import DataChecked, SweepEnded, SweepPlanned, TrialStarted
from tests.data.hub_server import COMMIT, Repo
from tests.security.conftest import repo_of
from tests.security.test_models import PAIRS

DATA_COMMIT = "d" * 40
TOKENS = TokenReport(
    rows={"train": 20, "validation": 10, "test": 10}, findings=[], lengths={}, cut_share=0.0,
    chosen_longer_share=0.5, max_length=512,
)  # fmt: skip


@pytest.fixture
def inputs(hub, model, tmp_path) -> Inputs:
    """What a sweep finds behind two branches of a hub."""
    hub.repos["models", "org/model"] = repo_of(model)
    hub.repos["datasets", "org/pairs"] = Repo({"train.jsonl": PAIRS.encode()}, commit=DATA_COMMIT)
    chosen = ["model.name=org/model", "data.source=org/pairs"]
    return check_inputs(load_sweep(Path("sweeps/local.yaml"), chosen), tmp_path)


def write_journal(file: Path, inputs: Inputs, patch: pytest.MonkeyPatch) -> None:
    """Write down a sweep of two trials over these inputs, as its driver would."""
    patch.setattr(preparation, "reference_metrics_of", lambda prepared: {"eval/win_rate": 0.5})
    report = DataReport(rows=inputs.pairs.report, tokens=TOKENS)
    shared = SimpleNamespace(
        rows=inputs.pairs.folder, model=inputs.model, prepared=SimpleNamespace(entries={})
    )
    journal = Journal.create(file)
    journal.append(SweepPlanned(name="pinned", plan={}, host="here", pid=1, versions={}))
    journal.append(DataChecked(report=report.to_json()))
    journal.append(prepared_record(report, shared, inputs.revision, Done(), 1.0))
    for trial in range(2):
        journal.append(
            TrialStarted(
                trial=trial, params={"beta": 0.1}, origin="control", slot="slot-0",
                folder=str(file.parent), total_steps=8,
            )
        )  # fmt: skip
    journal.append(SweepEnded(exit_code=0, reason="done"))
    journal.close()


def test_s14_every_run_in_mlflow_has_the_models_commit_as_a_tag_and_the_datas_in_its_source(
    inputs, tmp_path, monkeypatch
):
    write_journal(tmp_path / "sweep/journal.jsonl", inputs, monkeypatch)
    uri = default_uri(tmp_path)
    mirror = MlflowMirror(tmp_path / "sweep/journal.jsonl", uri, "pinned", poll_s=0.05)
    mirror.start()
    assert mirror.close(60), mirror.problems
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("pinned").experiment_id
    found = client.search_runs([experiment])
    assert len(found) >= 3  # the sweep and its trials
    assert {run.data.tags.get("hash.model_revision") for run in found} == {COMMIT}
    sources = [each.dataset.source for run in found for each in run.inputs.dataset_inputs]
    assert sources
    assert {json.loads(each)["revision"] for each in sources} == {DATA_COMMIT}
