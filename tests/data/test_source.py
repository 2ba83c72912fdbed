"""A source is found by its name and known by its content."""

import json
import os

import pytest
from datasets import Dataset, DatasetDict, disable_progress_bars

from dpo_ray.data.source import find_source
from dpo_ray.errors import DataError

PAIR = {"prompt": "The soup was", "chosen": " good.", "rejected": " bad."}
LINE = json.dumps(PAIR) + "\n"
ALLOWED = "allowed for data.source: embedded, data files"


@pytest.fixture
def find(tmp_path):
    def run(name, **choice):
        return find_source(str(name), scratch=tmp_path / "scratch", **choice)

    return run


@pytest.fixture
def saved(tmp_path):
    disable_progress_bars()
    DatasetDict(
        train=Dataset.from_list([PAIR] * 3), test=Dataset.from_list([PAIR] * 2)
    ).save_to_disk(str(tmp_path / "dict"))
    Dataset.from_list([PAIR]).save_to_disk(str(tmp_path / "single"))
    return tmp_path


def refusal(find, name, **choice):
    with pytest.raises(DataError) as caught:
        find(name, **choice)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_the_embedded_pairs_are_a_file_of_the_package(find):
    source = find("embedded")
    assert (source.name, source.kind, source.builder) == ("embedded", "files", "json")
    assert source.files[0].is_file()


@pytest.mark.parametrize(
    ("name", "builder"),
    [("a.jsonl", "json"), ("a.json", "json"), ("a.csv.gz", "csv"), ("a.parquet", "parquet")],
)
def test_a_file_is_read_by_its_suffix(find, tmp_path, name, builder):
    (tmp_path / name).write_text(LINE)
    source = find(tmp_path / name)
    assert (source.builder, source.files) == (builder, (tmp_path / name,))


def test_files_are_absolute_for_whoever_works_elsewhere(find, tmp_path, monkeypatch):
    (tmp_path / "a.jsonl").write_text(LINE)
    monkeypatch.chdir(tmp_path)
    source = find("a.jsonl")
    assert (source.name, source.files) == ("a.jsonl", (tmp_path / "a.jsonl",))


def test_a_file_is_known_by_its_bytes_and_not_by_name_or_time(find, tmp_path):
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text(LINE)
    os.utime(tmp_path / "b.jsonl", (1, 1))
    same = [find(tmp_path / name).digest for name in ("a.jsonl", "b.jsonl")]
    assert same[0] == same[1]
    (tmp_path / "b.jsonl").write_text(LINE * 2)
    os.utime(tmp_path / "b.jsonl", (1, 1))
    assert find(tmp_path / "b.jsonl").digest != same[0]


def test_a_glob_is_its_files_in_order_of_name(find, tmp_path):
    for name in ("b.jsonl", "a.jsonl", "c.csv"):
        (tmp_path / name).write_text(LINE)
    source = find(tmp_path / "*.jsonl")
    assert [path.name for path in source.files] == ["a.jsonl", "b.jsonl"]
    (tmp_path / "b.jsonl").rename(tmp_path / "d.jsonl")
    assert find(tmp_path / "*.jsonl").digest != source.digest


def test_a_glob_of_one_file_is_that_file(find, tmp_path):
    (tmp_path / "a.jsonl").write_text(LINE)
    assert find(tmp_path / "*.jsonl").digest == find(tmp_path / "a.jsonl").digest


@pytest.mark.parametrize("name", ["b[1].jsonl", "what?.jsonl", "star*.jsonl"])
def test_a_file_with_the_name_of_a_glob_is_itself(find, tmp_path, name):
    for other in (name, "b1.jsonl", "whats.jsonl", "starry.jsonl"):
        (tmp_path / other).write_text(LINE)
    assert find(tmp_path / name).files == (tmp_path / name,)


def test_a_saved_dataset_is_its_folder(find, saved):
    source = find(saved / "single")
    assert (source.kind, source.files) == ("saved", (saved / "single",))


def test_of_saved_splits_one_is_chosen(find, saved):
    train, test = find(saved / "dict"), find(saved / "dict", split="test")
    assert [train.files[0].name, test.files[0].name] == ["train", "test"]
    assert train.digest != test.digest


def test_what_datasets_leaves_in_a_saved_folder_does_not_change_it(find, saved):
    before = find(saved / "single").digest
    (saved / "single" / "cache-0123456789abcdef.arrow").write_text("?")
    assert find(saved / "single").digest == before


def test_a_split_that_was_not_saved_is_named_beside_those_that_were(find, saved):
    assert refusal(find, saved / "dict", split="dev") == (
        f"{saved}/dict: data.split must be one of train, test, got dev"
    )
    assert refusal(find, saved / "single", split="test") == (
        f"{saved}/single: data.split chooses in a folder of DatasetDict.save_to_disk, this is one "
        "of Dataset.save_to_disk; got test, leave it out"
    )


def test_a_folder_whose_list_of_splits_is_broken_is_named(find, tmp_path):
    (tmp_path / "dataset_dict.json").write_text("{}")
    rule = "must be a folder of save_to_disk, whose dataset_dict.json lists the splits"
    assert refusal(find, tmp_path) == f"{tmp_path}: {rule}; got none there"


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("no.jsonl", "no such file"),
        ("no*.jsonl", "no file matches"),
        ("", "a folder must be one of Dataset.save_to_disk"),
        ("*.*", "a glob must match files of one kind, matches csv and json"),
        ("a.csv/", "no such file"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is_allowed(find, tmp_path, name, rule):
    for file in ("a.csv", "b.jsonl"):
        (tmp_path / file).write_text(LINE)
    text = refusal(find, f"{tmp_path}/{name}")
    assert text.startswith(f"{tmp_path}/{name}: {rule}")
    assert ALLOWED in text


def test_a_choice_without_anything_to_choose_from_is_refused(find, tmp_path):
    (tmp_path / "a.jsonl").write_text(LINE)
    path = str(tmp_path / "a.jsonl")
    assert refusal(find, path, revision="v1") == (
        f"{path}: data.revision: belongs to a hub dataset, got v1 for {path}"
    )
