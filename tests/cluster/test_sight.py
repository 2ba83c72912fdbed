"""The store must be one directory for all: what either side writes, the other reads."""

import threading
import time

import pytest

from dpo_ray.cluster import sight
from dpo_ray.cluster.sight import Sight, blind_node


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr(sight, "SEEN_S", 0.5)


@pytest.fixture
def probe(tmp_path, hurried):
    (tmp_path / "driver").write_text("word")
    return Sight(tmp_path, "word")


def test_a_node_that_shares_the_store_answers_in_it(probe, tmp_path):
    assert probe.answer("node-1") == ""
    assert (tmp_path / "node-1").read_text() == "word"


def test_a_node_with_a_folder_of_its_own_finds_nothing(hurried, tmp_path):
    elsewhere = Sight(tmp_path / "probe", "word")
    assert elsewhere.answer("node-1") == f"{tmp_path}/probe/driver is not there"


def test_another_word_under_the_same_path_is_not_the_store(probe, tmp_path):
    other = Sight(tmp_path, "another")
    assert other.trouble() == f"{tmp_path}/driver says something else"


def test_a_store_that_cannot_be_written_to_is_refused(probe, tmp_path):
    (tmp_path / "node-1").mkdir()  # root may write anywhere, but not over a folder
    assert probe.answer("node-1").startswith("it cannot write there: ")


def test_what_shows_late_is_waited_for(hurried, tmp_path):
    late = Sight(tmp_path, "word")

    def write() -> None:
        time.sleep(0.2)
        (tmp_path / "driver").write_text("word")

    threading.Thread(target=write).start()
    assert late.trouble() == ""


def test_the_error_names_the_node_and_the_reason():
    assert blind_node("gpu-2 (10.0.0.7)", "/store/.probes/x/driver is not there") == (
        "--store: must be a directory that every node of the cluster sees, and the node gpu-2 "
        "(10.0.0.7) does not: /store/.probes/x/driver is not there; name one on a shared mount"
    )
