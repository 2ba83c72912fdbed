"""A sweep is found by its name or its folder; another name is answered with those there are."""

import os

import pytest

from dpo_ray.commands.finding import sweep_folder, sweep_names
from dpo_ray.errors import ConfigError


@pytest.fixture
def store(tmp_path):
    for age, name in enumerate(("beta-1a2b", "rank-3c4d")):
        folder = tmp_path / "sweeps" / name
        folder.mkdir(parents=True)
        (folder / "journal.jsonl").write_text("")
        os.utime(folder / "journal.jsonl", (1_000_000 - age,) * 2)
    return tmp_path


def test_by_name_and_by_folder(store):
    folder = store / "sweeps" / "beta-1a2b"
    assert sweep_folder(store, "beta-1a2b") == folder
    assert sweep_folder(store / "elsewhere", str(folder)) == folder


def test_the_last_one_worked_on_comes_first(store):
    assert sweep_names(store) == ["beta-1a2b", "rank-3c4d"]


def test_an_unknown_name_is_answered_with_the_nearest(store):
    with pytest.raises(ConfigError, match=r"no sweep beta-1a2; did you mean beta-1a2b\? it has"):
        sweep_folder(store, "beta-1a2")


def test_a_store_without_sweeps_says_so(tmp_path):
    with pytest.raises(ConfigError, match="it has none yet"):
        sweep_folder(tmp_path, "beta")
