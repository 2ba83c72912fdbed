"""The hub: a revision becomes a commit once, files come once, and what fails says what to do."""

import json
import os
import subprocess
import sys

import datasets
import huggingface_hub
import pytest
from huggingface_hub import constants, file_download

from dpo_ray.config.sources import hub_name
from dpo_ray.data import retrying
from dpo_ray.data.hub import download_model, resolve_commit
from dpo_ray.data.reading import read_source
from dpo_ray.data.source import find_source
from dpo_ray.errors import ConfigError, DataError
from tests.data.hub_server import COMMIT, Repo, running_hub

PAIR = {"prompt": "The soup was", "chosen": " good.", "rejected": " bad."}
CARD = """---
configs:
- config_name: soup
  data_files:
  - {split: train, path: soup/train.jsonl}
  - {split: test, path: soup/test.jsonl}
- config_name: tea
  data_files: tea/*.jsonl
---
Pairs.
"""


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def pairs(prompt, number):
    return lines(*[{**PAIR, "prompt": f"{prompt} {index}"} for index in range(number)])


def weights(values=4, missing=0):
    """One tensor of 4-byte values, less the last `missing` bytes."""
    tensor = {"dtype": "F32", "shape": [values], "data_offsets": [0, 4 * values]}
    header = json.dumps({"weight": tensor}).encode()
    content = len(header).to_bytes(8, "little") + header + b"\0" * 4 * values
    return content[: len(content) - missing]


MODEL = {
    "config.json": b"{}",
    "tokenizer.json": b"[]",
    "chat_template.jinja": b"{{ messages }}",
    "model.safetensors": weights(),
    "pytorch_model.bin": b"never",
    "modeling.py": b"never without with_code",
    "README.md": b"never",
    "onnx/model.json": b"never",
}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub that this process takes for the real one, with an empty cache."""
    with running_hub() as server:
        monkeypatch.setattr(retrying, "FIRST_WAIT", 0.01)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        point_at(monkeypatch, server.url)
        switch(monkeypatch, offline=False)
        yield server
        huggingface_hub.close_session()


def point_at(monkeypatch, url):
    template = url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", url)
    huggingface_hub.HfFileSystem.clear_instance_cache()


def switch(monkeypatch, offline):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", offline)


@pytest.fixture
def pairs_repo(hub):
    hub.repos["datasets", "org/pairs"] = Repo(
        {
            "README.md": CARD.encode(),
            "soup/train.jsonl": pairs("Soup", 5),
            "soup/test.jsonl": pairs("Broth", 2),
            "tea/all.jsonl": pairs("Tea", 3),
        }
    )
    return hub


@pytest.fixture
def model_repo(hub):
    hub.repos["models", "org/model"] = Repo(dict(MODEL))
    return hub


@pytest.fixture
def rows(tmp_path):
    def read(name, **choice):
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        return read_source(find_source(name, scratch=scratch, **choice), scratch)

    return read


def refusal(error, call, *arguments, **named):
    with pytest.raises(error) as caught:
        call(*arguments, **named)
    return str(caught.value)


def test_a_branch_becomes_its_commit_with_one_question(model_repo):
    assert resolve_commit("org/model", None, "model") == COMMIT
    assert resolve_commit("org/model", "v1", "model") == COMMIT
    assert model_repo.asked == [
        f"GET /api/models/org/model/revision/{branch}" for branch in ("main", "v1")
    ]


def test_a_commit_is_taken_at_its_word(hub):
    assert resolve_commit("org/model", "f" * 40, "model") == "f" * 40
    assert hub.asked == []


def test_offline_a_revision_is_what_it_was_last_time(model_repo, monkeypatch):
    resolve_commit("org/model", "v1", "model")
    switch(monkeypatch, offline=True)
    assert resolve_commit("org/model", "v1", "model") == COMMIT
    text = refusal(ConfigError, resolve_commit, "org/model", "v2", "model")
    assert text == (
        "model.name: org/model@v2: HF_HUB_OFFLINE is set, and the cache "
        f"{constants.HF_HUB_CACHE} does not hold the commit of v2; run once without "
        "HF_HUB_OFFLINE, or copy the cache of a machine that did"
    )
    assert len(model_repo.asked) == 1


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (401, "no path here, and not on URL or private: check it, or set HF_TOKEN"),
        (404, "no path here, and not on URL or private: check it, or set HF_TOKEN"),
        (403, "access is denied: accept its terms on URL, and set HF_TOKEN"),
    ],
)
def test_a_repository_that_is_not_shown_is_asked_for_once(hub, status, text):
    hub.repos["models", "org/private"] = Repo({}, status=status)
    assert refusal(ConfigError, resolve_commit, "org/private", None, "model") == (
        f"model.name: org/private@main: {text.replace('URL', hub.url)} to a token that may read it"
    )
    assert len(hub.asked) == 1


def test_a_revision_that_is_not_there_is_named(model_repo):
    assert refusal(ConfigError, resolve_commit, "org/model", "v9", "model") == (
        "model.name: org/model@v9: no such revision"
    )


def test_a_busy_hub_is_asked_again_and_then_answers(model_repo):
    model_repo.failing = [429, 503, 500]
    assert resolve_commit("org/model", None, "model") == COMMIT
    assert len(model_repo.asked) == 4


def test_a_hub_that_stays_busy_is_given_up_after_four_tries(model_repo):
    model_repo.failing = [429] * 9
    text = refusal(ConfigError, resolve_commit, "org/model", None, "model")
    assert text.startswith("model.name: org/model@main: failed after 4 tries: HfHubHTTPError: ")
    assert "429" in text
    assert text.endswith("; check the network, then run again")
    assert len(model_repo.asked) == 4


def test_a_hub_that_is_not_there_is_given_up_after_four_tries(hub, monkeypatch):
    point_at(monkeypatch, "http://127.0.0.1:9")
    text = refusal(DataError, resolve_commit, "org/pairs", None, "dataset")
    assert text.startswith("data.source: org/pairs@main: failed after 4 tries: ConnectError: ")


def test_a_token_is_sent_but_never_shown(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_canarycanarycanary")
    hub.failing = [500] * 9
    assert "canary" not in refusal(DataError, resolve_commit, "org/pairs", None, "dataset")


def test_of_a_model_only_what_is_loaded_is_downloaded_and_only_once(model_repo):
    folder = download_model("org/model", COMMIT)
    assert sorted(path.name for path in folder.iterdir()) == [
        "chat_template.jinja", "config.json", "model.safetensors", "tokenizer.json",
    ]  # fmt: skip
    sent = model_repo.downloads()
    assert len(sent) == 4
    assert download_model("org/model", COMMIT) == folder
    assert model_repo.downloads() == sent


def test_code_comes_along_only_where_it_may_run(model_repo):
    assert (download_model("org/model", COMMIT, with_code=True) / "modeling.py").is_file()


def test_a_model_may_have_a_cache_of_its_own(model_repo, tmp_path):
    folder = download_model("org/model", COMMIT, tmp_path / "models")
    assert folder.is_relative_to(tmp_path / "models")


def test_a_model_survives_a_hub_that_is_busy_in_between(model_repo):
    model_repo.failing = [503]
    assert (download_model("org/model", COMMIT) / "model.safetensors").is_file()


def test_offline_a_downloaded_model_is_found_and_another_is_not(model_repo, monkeypatch):
    folder = download_model("org/model", COMMIT)
    switch(monkeypatch, offline=True)
    asked = list(model_repo.asked)
    assert download_model("org/model", COMMIT) == folder
    text = refusal(ConfigError, download_model, "org/model", "f" * 40)
    assert text.startswith(f"model.name: org/model@{'f' * 40}: HF_HUB_OFFLINE is set, and the ")
    assert model_repo.asked == asked


def test_offline_half_a_model_is_no_model(model_repo, monkeypatch):
    (download_model("org/model", COMMIT) / "model.safetensors").unlink()
    switch(monkeypatch, offline=True)
    assert "HF_HUB_OFFLINE" in refusal(ConfigError, download_model, "org/model", COMMIT)


def test_a_model_without_safetensors_is_refused(model_repo):
    del model_repo.repos["models", "org/model"].files["model.safetensors"]
    assert refusal(ConfigError, download_model, "org/model", COMMIT) == (
        f"model.name: org/model@{COMMIT} holds no *.safetensors, the only weights read"
    )


def test_weights_that_were_cut_off_are_named(model_repo):
    model_repo.repos["models", "org/model"].files["model.safetensors"] = weights(missing=3)
    text = refusal(ConfigError, download_model, "org/model", COMMIT)
    assert "model.safetensors: must have the " in text


def test_rows_of_a_configuration_and_split_are_read_and_no_other_file(pairs_repo, rows):
    found = rows("org/pairs", config="soup", split="test")
    assert found[:] == {
        "prompt": ["Broth 0", "Broth 1"], "chosen": [" good."] * 2, "rejected": [" bad."] * 2,
    }  # fmt: skip
    assert found.cache_files  # mapped, not held
    assert set(pairs_repo.downloads()) == {f"{COMMIT}/README.md", f"{COMMIT}/soup/test.jsonl"}


@pytest.mark.parametrize(
    "name", ["org/pairs@v1", "hf://org/pairs", "hf://datasets/org/pairs", "hf://org/pairs@main"]
)
def test_a_hub_dataset_has_several_names(pairs_repo, tmp_path, name):
    source = find_source(name, config="soup", scratch=tmp_path)
    assert (source.kind, source.revision, source.name) == ("hub", COMMIT, name)
    plain = find_source("org/pairs", config="soup", revision=COMMIT, scratch=tmp_path)
    assert source.digest == plain.digest


def test_a_hub_dataset_is_another_with_another_commit_configuration_or_split(hub, tmp_path):
    base = {"config": "soup", "split": "train", "revision": "1" * 40}
    choices = [base, {**base, "config": "tea"}, {**base, "split": "test"},
               {**base, "revision": "2" * 40}]  # fmt: skip
    digests = {find_source("org/pairs", scratch=tmp_path, **choice).digest for choice in choices}
    assert len(digests) == 4
    assert hub.asked == []


def test_a_second_reading_downloads_nothing(pairs_repo, rows):
    rows("org/pairs", config="tea")
    before = pairs_repo.downloads()
    assert len(rows("org/pairs", config="tea")) == 3
    assert pairs_repo.downloads() == before


def test_offline_the_rows_come_from_the_cache(pairs_repo, rows, monkeypatch):
    rows("org/pairs", config="soup")
    switch(monkeypatch, offline=True)
    asked = list(pairs_repo.asked)
    assert rows("org/pairs", config="soup")["prompt"][0] == "Soup 0"
    assert pairs_repo.asked == asked
    text = refusal(DataError, rows, "org/pairs", config="tea")
    assert text.startswith("data.source: org/pairs: HF_HUB_OFFLINE is set, and the cache ")


def test_offline_rows_that_never_came_are_missed(pairs_repo, rows, monkeypatch):
    resolve_commit("org/pairs", None, "dataset")
    switch(monkeypatch, offline=True)
    text = refusal(DataError, rows, "org/pairs", config="soup")
    assert text.startswith("data.source: org/pairs: HF_HUB_OFFLINE is set, and the cache ")


def test_a_split_that_is_not_there_is_named_beside_those_found(pairs_repo, rows):
    assert refusal(DataError, rows, "org/pairs", config="soup", split="dev") == (
        "org/pairs: data.split must be one of train, test, got dev"
    )


@pytest.mark.parametrize(("config", "shown"), [("coffee", "coffee"), (None, "nothing")])
def test_a_configuration_must_be_one_of_those_found(pairs_repo, rows, config, shown):
    assert refusal(DataError, rows, "org/pairs", config=config) == (
        f"org/pairs: data.config must be one of soup, tea, got {shown}"
    )


def test_a_repository_without_data_files_says_so(hub, rows):
    hub.repos["datasets", "org/empty"] = Repo({"notes.docx": b"?"})
    text = refusal(DataError, rows, "org/empty")
    assert text.startswith("org/empty: must hold rows that the library datasets can read; the ")


def test_a_broken_file_of_a_repository_is_no_matter_of_the_network(hub, rows):
    hub.repos["datasets", "org/broken"] = Repo({"train.parquet": b"no"})
    text = refusal(DataError, rows, "org/broken")
    assert text.startswith("org/broken: must hold rows that the library datasets can read; the ")
    assert hub.downloads() == [f"{COMMIT}/train.parquet"]


def test_a_card_that_counts_other_rows_is_not_believed(hub, rows):
    card = "---\ndataset_info: {splits: [{name: train, num_examples: 7, num_bytes: 1}]}\n---\n"
    files = {"README.md": card.encode(), "train.jsonl": pairs("Soup", 2)}
    hub.repos["datasets", "org/card"] = Repo(files)
    assert len(rows("org/card")) == 2


def test_names_that_leave_the_repository_are_passed_over(hub, rows, tmp_path):
    files = {"train.jsonl": pairs("Soup", 2), "../../../evil.jsonl": b"{}"}
    hub.repos["datasets", "org/evil"] = Repo(files)
    assert len(rows("org/evil")) == 2
    assert not list(tmp_path.rglob("evil.jsonl"))


def test_a_dataset_survives_a_hub_that_is_busy_in_between(pairs_repo, rows):
    assert resolve_commit("org/pairs", None, "dataset")
    pairs_repo.failing = [503]
    assert len(rows("org/pairs", config="tea", revision=COMMIT)) == 3


def test_a_folder_of_the_same_name_is_no_repository(pairs_repo, rows, tmp_path, monkeypatch):
    (tmp_path / "org" / "pairs").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert len(rows("hf://org/pairs", config="tea")) == 3


def test_na_is_text_in_a_csv_of_the_hub_too(hub, rows):
    content = b"prompt,chosen,rejected\nNA,None,x\n"
    hub.repos["datasets", "org/csv"] = Repo({"train.csv": content})
    assert rows("org/csv")[0] == {"prompt": "NA", "chosen": "None", "rejected": "x"}


@pytest.mark.parametrize("name", ["soup/test.jsonl", "soup/*.jsonl"])
def test_a_file_of_a_hub_dataset_is_read_by_its_url(pairs_repo, rows, name):
    found = rows(f"hf://datasets/org/pairs/{name}")
    assert found["prompt"][0] == "Broth 0"


def test_a_private_dataset_says_that_a_token_may_help(hub, rows):
    hub.repos["datasets", "org/private"] = Repo({}, status=401)
    assert "set HF_TOKEN to a token that may read it" in refusal(DataError, rows, "org/private")


def test_the_environment_points_at_another_hub(pairs_repo, tmp_path):
    code = (
        "import sys, pathlib; from dpo_ray.data.source import find_source; "
        "from dpo_ray.data.reading import read_source; scratch = pathlib.Path(sys.argv[1]); "
        "source = find_source('org/pairs', config='tea', scratch=scratch); "
        "print(len(read_source(source, scratch))); assert 'torch' not in sys.modules"
    )
    environment = {"HF_ENDPOINT": pairs_repo.url, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path)],
        env=os.environ | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr, done.returncode) == ("3\n", "", 0)


def test_the_note_of_a_commit_is_the_hub_clients_own(model_repo):
    resolve_commit("org/model", "v1", "model")
    folder = file_download.repo_folder_name(repo_id="org/model", repo_type="model")
    assert os.listdir(os.path.join(constants.HF_HUB_CACHE, folder, "refs")) == ["v1"]
    found = huggingface_hub.HfApi().resolve_revision(
        "org/model", revision="v1", local_files_only=True
    )
    assert found.resolved == COMMIT


@pytest.mark.parametrize(
    "name", ["org/name/file.txt", "name", "org/pairs.jsonl", "s3://org/name", "hf://org/a/b"]
)
def test_what_is_no_repository_is_not_taken_for_one(name):
    assert hub_name(name) is None
