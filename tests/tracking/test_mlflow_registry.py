"""What a sweep recommends becomes a version that loads back and says the same."""

import json
import shutil
from pathlib import Path

import mlflow
import peft
import pytest
import torch
import transformers
from mlflow import MlflowClient
from typer.testing import CliRunner

from dpo_ray.cli import app
from dpo_ray.cluster.lock import sweep_lock
from dpo_ray.data.adapter_card import AdapterCard, write_card
from dpo_ray.reference.model import model_folder
from dpo_ray.tracking.journal import Journal
from dpo_ray.tracking.mlflow_mirror import MlflowMirror
from dpo_ray.tracking.mlflow_server import default_uri
from dpo_ray.tracking.records import (
    PolicyRecommended,
    Prepared,
    RungReached,
    SweepEnded,
    TrialEnded,
)
from tests.commands.test_page import listed
from tests.tracking.server import free_port, mlflow_server

BASE = str(model_folder("embedded"))
EVALUATION = {
    "eval/win_rate": 0.7213,
    "eval/win_rate_low": 0.65,
    "eval/win_rate_high": 0.79,
    "eval/kl": 3.25,
}
HASHES = {"data": "d" * 64, "weights": "abcdef0123456789" * 4}


def untrained():
    return transformers.AutoModelForCausalLM.from_pretrained(BASE)


def write_adapter(folder: Path, seed: int) -> Path:
    """A LoRA adapter that changes what the embedded model says."""
    torch.manual_seed(seed)
    settings = peft.LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False)
    peft.get_peft_model(untrained(), settings).save_pretrained(folder)
    write_card(folder, AdapterCard.plain(BASE, beta=0.3))
    return folder


@pytest.fixture(scope="module")
def adapters(tmp_path_factory) -> Path:
    """A trial's last state, and one of its checkpoints."""
    folder = tmp_path_factory.mktemp("trial")
    write_adapter(folder / "adapter", seed=1)
    write_adapter(folder / "step-00030" / "adapter", seed=2)
    return folder


def says(policy) -> str:
    """The policy's greedy answer to a prompt of the toy language."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(BASE)
    asked = tokenizer("The soup", return_tensors="pt", add_special_tokens=False)
    with torch.no_grad():
        answer = policy.eval().generate(**asked, max_new_tokens=20, do_sample=False)
    return tokenizer.decode(answer[0])


@pytest.fixture
def uri(tmp_path, empty_database) -> str:
    (tmp_path / "store").mkdir()
    shutil.copy(empty_database, tmp_path / "store" / "mlflow.db")
    return default_uri(tmp_path / "store")


@pytest.fixture
def sweep(tmp_path, uri, adapters, planned, started):
    """Write the journal of a sweep that recommends its trial, and mirror it."""

    def write(name: str, time: float, step: int = 60, **weights: str) -> Path:
        plan = {
            "sweep": {
                "model": {"name": "embedded", "revision": None, "dtype": "float32"},
                "data": {"source": "https://bob:hunter2@host/pairs.jsonl"},
                "training": {"loss_type": "sigmoid"},
                "objective": [{"metric": "win_rate", "direction": "maximize"}],
            }
        }
        journal = Journal.create(tmp_path / "store" / "sweeps" / name / "journal.jsonl")
        last = {"adapter": str(adapters / "adapter"), "model": None}
        rung = RungReached(trial=0, step=step, fraction=step / 60, metrics=EVALUATION)
        for record in [
            planned.model_copy(update={"name": name, "plan": plan}),
            Prepared(rows={}, hashes=HASHES, reused=True, seconds=1.0, reference=EVALUATION),
            started.model_copy(update={"params": {"beta": 0.3}}),
            rung,
            TrialEnded(trial=0, state="COMPLETED", reason="", step=60, seconds=1.0, **last),
            PolicyRecommended(trial=0, step=step, **(weights or last)),
            SweepEnded(exit_code=0, reason="all trials of the plan are done", best=0, step=step),
        ]:
            journal.append(record)
        journal.close()
        lines = journal.path.read_text().splitlines()
        first = json.loads(lines[0]) | {"time": time}
        journal.path.write_text("\n".join([json.dumps(first), *lines[1:]]) + "\n")
        return journal.path

    return write


def mirror(journal: Path, uri: str) -> None:
    following = MlflowMirror(journal, uri, "dpo-ray", poll_s=0.05)
    following.start()
    assert following.close(60), following.problems


def versions(uri: str) -> dict[str, mlflow.entities.model_registry.ModelVersion]:
    found = MlflowClient(tracking_uri=uri).search_model_versions("name = 'dpo-ray'")
    return {str(version.version): version for version in found}


def aliases(uri: str) -> dict[str, str]:
    (model,) = MlflowClient(tracking_uri=uri).search_registered_models("name = 'dpo-ray'")
    return {alias: str(version) for alias, version in model.aliases.items()}


@pytest.fixture
def tracking(uri):
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    yield
    mlflow.set_tracking_uri(before)


@pytest.mark.parametrize("place", ["adapter", "step-00030/adapter"])
def test_a_version_loads_by_its_cards_own_lines_and_says_the_same(
    sweep, uri, tracking, adapters, place
):
    step = 30 if "step" in place else 60
    mirror(sweep("beta", 1000.0, step=step, adapter=str(adapters / place)), uri)
    (version,) = versions(uri).values()
    lines = version.description.split("```python\n")[1].split("```")[0]
    _imports, loading = lines.split("\n\n")
    assert len(loading.splitlines()) == 3
    loaded = {}
    exec(lines, loaded)
    told = says(loaded["policy"])
    assert told == says(peft.PeftModel.from_pretrained(untrained(), adapters / place))
    assert told != says(untrained())


def test_a_version_tells_its_evaluation_and_its_card_hides_secrets(sweep, uri):
    mirror(sweep("beta", 1000.0), uri)
    (version,) = versions(uri).values()
    tags = ("sweep", "trial", "step", "params.beta", "result/win_rate", "result/win_rate_low")
    assert [version.tags[tag] for tag in tags] == ["beta", "t00", "60", "0.3", "0.7213", "0.65"]
    assert aliases(uri) == {"challenger": "1"}
    for text in (
        "A LoRA adapter trained by DPO: beta 0.3.",
        "| in the search, validation prompts | 0.72 [0.65, 0.79] | 3.25 |",
        "- base model: embedded, revision none (a local model)",
        "sha256 over its files abcdef0123456789",
        "- data: https://***@host/pairs.jsonl, sha256 dddddddddddddddd",
        "licence: unknown",
    ):
        assert text in version.description
    client = MlflowClient(tracking_uri=uri)
    run = client.get_run(version.run_id)
    assert version.source == f"{run.info.artifact_uri}/adapter"
    parent = client.get_run(run.data.tags["mlflow.parentRunId"])
    link = "[registered as dpo-ray version 1](#/models/dpo-ray/versions/1)"
    assert link in parent.data.tags["mlflow.note.content"]


def test_mirrored_again_a_sweep_has_one_version_and_a_later_sweep_stays_the_challenger(sweep, uri):
    monday, tuesday = sweep("monday", 1000.0), sweep("tuesday", 2000.0)
    for journal in (monday, monday, tuesday, tuesday, monday):
        mirror(journal, uri)
    assert {number: each.tags["sweep"] for number, each in versions(uri).items()} == {
        "1": "monday",
        "2": "tuesday",
    }
    assert aliases(uri) == {"challenger": "2"}


def test_a_whole_model_is_not_registered_and_the_reason_is_told(sweep, uri):
    mirror(sweep("beta", 1000.0, model="/store/t00/model"), uri)
    client = MlflowClient(tracking_uri=uri)
    assert versions(uri) == {}
    experiment = client.get_experiment_by_name("dpo-ray").experiment_id
    (parent,) = client.search_runs([experiment], "tags.`dpo_ray.sweep` = 'beta'")
    assert "/store/t00/model" in parent.data.tags["registry.skipped"]


def command(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, list(words))
    return done.exit_code, done.stdout, done.stderr


def test_only_promote_moves_the_champion_and_it_can_be_moved_back(sweep, uri, tmp_path):
    store = str(tmp_path / "store")
    for name, time in (("monday", 1000.0), ("tuesday", 2000.0)):
        mirror(sweep(name, time), uri)
    assert "champion" not in aliases(uri)
    code, told, _ = command("promote", "monday", "--store", store)
    assert (code, aliases(uri)) == (0, {"challenger": "2", "champion": "1"})
    assert "dpo-ray version 1 is the champion: models:/dpo-ray@champion" in told
    code, told, _ = command("promote", "tuesday", "--store", store, "--json")
    facts = json.loads(told)
    assert facts.keys() == listed("dpo-ray promote --json")
    assert (facts["version"], facts["previous"], facts["moved"]) == ("2", "1", True)
    assert facts["link"].endswith("#/models/dpo-ray/versions/2")
    assert "already" in command("promote", "tuesday", "--store", store)[1]
    assert command("promote", "monday", "--store", store)[0] == 0
    assert aliases(uri)["champion"] == "1"


def test_a_sweep_that_registered_nothing_cannot_be_promoted(sweep, tmp_path):
    sweep("monday", 1000.0)
    code, told, problem = command("promote", "monday", "--store", str(tmp_path / "store"))
    assert (code, told) == (2, "")
    assert "dpo-ray sync monday registers it" in problem.replace("\n", " ")


def test_a_sweep_is_synced_to_a_second_database_twice_with_nothing_doubled(sweep, uri, tmp_path):
    journal = sweep("monday", 1000.0)
    other = tmp_path / "elsewhere"
    other.mkdir()
    shutil.copy(tmp_path / "store" / "mlflow.db", other)
    place = default_uri(other)
    words = ("sync", str(journal.parent), "--to", place, "--experiment", "copies", "--json")
    told = [json.loads(command(*words)[1]) for _ in range(2)]
    assert told[0] == told[1]
    assert told[0].keys() == listed("dpo-ray sync --json")
    assert told[0]["records"] == 7
    client = MlflowClient(tracking_uri=place)
    experiment = client.get_experiment_by_name("copies")
    found = client.search_runs([experiment.experiment_id])
    assert sorted(run.info.run_name for run in found) == ["monday", "reference", "t00 beta=0.3"]
    assert told[0]["run_id"] in {run.info.run_id for run in found}
    views = [tag for tag in experiment.tags if tag.startswith("mlflow.sharedViewState.")]
    assert [f"viewStateShareKey={tag.removeprefix('mlflow.sharedViewState.')}" in told[0]["link"]
            for tag in views] == [True]  # fmt: skip
    (version,) = client.search_model_versions("name = 'copies'")
    assert version.source.startswith((other / "artifacts").as_uri())


@pytest.mark.slow
def test_a_sweep_is_synced_to_a_second_server_with_its_files_and_nothing_doubled(
    sweep, uri, adapters, tmp_path
):
    journal, port = sweep("monday", 1000.0), free_port()
    mirror(journal, uri)
    place, other = f"http://127.0.0.1:{port}", tmp_path / "other"
    other.mkdir()
    with mlflow_server(other, port):
        for _ in range(2):
            code, told, problem = command("sync", "monday", "--to", place, *store_of(journal))
            assert (code, place in told) == (0, True), problem
        client = MlflowClient(tracking_uri=place)
        found = client.search_runs([client.get_experiment_by_name("dpo-ray").experiment_id])
        assert sorted(run.info.run_name for run in found) == ["monday", "reference", "t00 beta=0.3"]
        (version,) = client.search_model_versions("name = 'dpo-ray'")
        trial = client.get_run(version.run_id)
        assert trial.data.metrics["eval/win_rate"] == EVALUATION["eval/win_rate"]
        brought = Path(client.download_artifacts(version.run_id, "adapter", str(tmp_path)))
        for file in (adapters / "adapter").iterdir():
            assert (brought / file.name).read_bytes() == file.read_bytes()
    # What the sweep had written by itself stands as before.
    assert aliases(uri) == {"challenger": "1"}


def store_of(journal: Path) -> tuple[str, str]:
    return "--store", str(journal.parents[2])


def test_a_server_that_is_not_there_is_exit_code_7(sweep):
    journal = sweep("monday", 1000.0)
    code, told, problem = command("sync", str(journal.parent), "--to", "http://127.0.0.1:9")
    assert (code, told) == (7, "")
    assert "does not answer" in problem


def test_what_the_server_cannot_have_is_named(sweep, adapters, tmp_path):
    gone = tmp_path / "gone"
    shutil.copytree(adapters / "adapter", gone / "adapter")
    journal = sweep("monday", 1000.0, adapter=str(gone / "adapter"))
    shutil.rmtree(gone)
    code, _, problem = command("sync", str(journal.parent))
    assert code == 7
    assert "recommended (5): FileNotFoundError" in problem.replace("\n", " ")


def test_a_live_sweep_is_synced_elsewhere_and_not_where_it_writes_itself(sweep, tmp_path):
    folder = sweep("monday", 1000.0).parent
    with sweep_lock(folder):
        code, _, problem = command("sync", str(folder))
        assert (code, "writes to" in problem) == (6, True)
        assert command("sync", str(folder), "--to", default_uri(tmp_path / "other"))[0] == 0
