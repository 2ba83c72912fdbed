"""What data.source says is told by its spelling, and by what lies on the local disk."""

import os

import pytest

from dpo_ray.config.sources import (
    HubName,
    builder_of,
    choice_problems,
    form_of,
    hub_name,
    source_problem,
)

KNOWN = (
    "data files must end in .jsonl, .ndjson, .json, .csv, .parquet, all but .parquet also with "
    ".gz, .bz2, .xz, got "
)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("embedded", "embedded"),
        ("pairs.jsonl", "path"),
        ("data/pairs.jsonl", "path"),
        ("data/*.jsonl", "path"),
        ("./org/name", "path"),
        ("/org/name", "path"),
        ("name", "path"),
        ("a/b/c", "path"),
        ("org/name", "hub"),
        ("org/name@v1.0", "hub"),
        ("hf://org/name", "hub"),
        ("hf://datasets/org/name@refs", "hub"),
        ("hf://datasets/org/name/a.parquet", "url"),
        ("hf://org/name.jsonl", "url"),
        ("s3://bucket/a.jsonl", "url"),
        ("s3://org/name", "url"),
        ("simplecache::s3://bucket/a.jsonl", "url"),
    ],
)
def test_every_spelling_has_one_form(name, form):
    assert form_of(name) == form


def test_what_exists_is_a_path_whatever_it_looks_like(here):
    (here / "org" / "name").mkdir(parents=True)
    assert form_of("org/name") == "path"
    assert form_of("hf://org/name") == "hub"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("org/name", HubName("org/name")),
        ("org/name@v1", HubName("org/name", "v1")),
        ("hf://datasets/org/name@main", HubName("org/name", "main")),
        ("hf://org/na.me_1-2", HubName("org/na.me_1-2")),
    ],
)
def test_a_hub_dataset_may_name_its_revision(name, found):
    assert hub_name(name) == found


@pytest.mark.parametrize(
    ("name", "builder"),
    [
        ("a.jsonl", "json"), ("a.NDJSON", "json"), ("a.json.gz", "json"), ("a.csv", "csv"),
        ("a.csv.xz", "csv"), ("a.b.parquet", "parquet"), ("a.parquet.gz", None), ("a.gz", None),
        ("a.txt", None), ("a", None), (".jsonl", None),
    ],
)  # fmt: skip
def test_the_suffix_names_the_reader(name, builder):
    assert builder_of(name) == builder


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("pairs.jsonl", "no such file"),
        ("data/pairs.jsonl", "no such file"),
        ("*.jsonl", "no file matches"),
        ("notes.txt", KNOWN + ".txt"),
        ("bare", KNOWN + "no suffix"),
        ("notes.*", KNOWN + ".txt"),
        ("mixed/*", "a glob must match files of one kind, matches csv and json"),
        ("mixed", "a folder must be one of Dataset.save_to_disk; name its files by a glob such as "
                  "*.jsonl"),
        ("s3://bucket/a.txt", KNOWN + ".txt"),
        ("https://me:pass@host/a.txt?token=canary.x", KNOWN + ".txt"),
        ("s3://bucket/folder/", KNOWN + "no suffix"),
    ],
)  # fmt: skip
def test_what_is_certainly_wrong_is_refused(here, name, rule):
    (here / "mixed").mkdir()
    for file in ("notes.txt", "bare", "mixed/a.csv", "mixed/b.jsonl"):
        (here / file).touch()
    assert source_problem(name) == rule


@pytest.mark.parametrize(
    "name",
    ["embedded", "a.jsonl", "*.jsonl", "b[1].csv", "**/*.jsonl", "saved", "dict", "org/name",
     "s3://bucket/*", "s3://bucket/a.jsonl.gz", "https://host/a.csv?download=1"],
)  # fmt: skip
def test_what_may_be_right_is_left_alone(here, name):
    for file in ("a.jsonl", "b[1].csv", "saved/state.json", "dict/dataset_dict.json"):
        (here / file).parent.mkdir(exist_ok=True)
        (here / file).touch()
    assert source_problem(name) is None


def test_home_is_written_short(here, monkeypatch):
    monkeypatch.setenv("HOME", str(here))
    (here / "a.jsonl").touch()
    assert source_problem("~/a.jsonl") is None
    assert source_problem("~/*.jsonl") is None


@pytest.mark.parametrize(
    ("name", "choice", "keys"),
    [
        ("embedded", (None, "train", None), []),
        ("embedded", ("soup", "test", "v1"), ["config", "revision", "split"]),
        ("saved", (None, "test", None), []),
        ("saved", ("soup", "test", None), ["config"]),
        ("org/name", ("soup", "test", "v1"), []),
        ("org/name@v2", ("soup", "test", "v1"), ["revision"]),
        ("hf://datasets/org/name/a.csv", (None, "train", "v1"), ["revision"]),
    ],
)
def test_settings_that_choose_need_something_to_choose_from(here, name, choice, keys):
    (here / "saved").mkdir()
    assert [key for key, _ in choice_problems(name, *choice)] == keys


def test_a_choice_shows_no_secret_of_the_name():
    problems = choice_problems("s3://me:canary@bucket/a.csv", "soup", "test", "v1")
    assert "canary" not in str(problems)
    assert os.sep in str(problems)
