"""An answer is found again by all that may change it, in whatever state the folder is."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dpo_ray.evaluation.answer_cache import VERDICTS, AnswerCache, answer_key

ROOT = Path(__file__).parents[2]
FINDER = """
import sys
from pathlib import Path
from dpo_ray.evaluation.answer_cache import AnswerCache, answer_key
print(AnswerCache(Path(sys.argv[1])).find(answer_key(*sys.argv[2:])))
"""
ASKED = ("http://127.0.0.1/v1", "model", "Which?", "prompt", "one", "two")


@pytest.mark.parametrize("verdict", VERDICTS)
def test_what_was_stored_is_found(tmp_path, verdict):
    cache = AnswerCache(tmp_path / "new")
    assert cache.find(answer_key(*ASKED)) is None
    cache.store(answer_key(*ASKED), verdict)
    assert cache.find(answer_key(*ASKED)) == verdict


@pytest.mark.parametrize("part", range(len(ASKED)))
def test_every_part_of_the_question_changes_the_key(part):
    changed = [text + "!" if place == part else text for place, text in enumerate(ASKED)]
    assert answer_key(*changed) != answer_key(*ASKED)


def test_the_parts_are_kept_apart():
    assert answer_key("ab", "c") != answer_key("a", "bc")
    assert answer_key("a", "b") != answer_key("b", "a")
    assert len(answer_key('"', "\ud800", "\n")) == 64


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b"{}", b'{"verdict": "C"}', b"1"])
def test_a_damaged_file_is_as_good_as_none_and_is_replaced(tmp_path, content):
    cache, key = AnswerCache(tmp_path), answer_key(*ASKED)
    cache.store(key, "A")
    (file,) = tmp_path.rglob("*.json")
    file.write_bytes(content)
    assert cache.find(key) is None
    cache.store(key, "B")
    assert cache.find(key) == "B"


def test_another_process_finds_it(tmp_path):
    AnswerCache(tmp_path).store(answer_key(*ASKED), "tie")
    command = [sys.executable, "-c", FINDER, tmp_path, *ASKED]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "tie"


def test_threads_that_store_the_same_leave_one_whole_file(tmp_path):
    cache, key = AnswerCache(tmp_path), answer_key(*ASKED)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: cache.store(key, "A"), range(100)))
    assert [file.suffix for file in tmp_path.rglob("*") if file.is_file()] == [".json"]
    assert cache.find(key) == "A"


def test_a_folder_that_cannot_be_written_costs_the_memory_only(tmp_path):
    (tmp_path / "file").touch()
    cache = AnswerCache(tmp_path / "file")
    cache.store(answer_key(*ASKED), "A")
    assert cache.find(answer_key(*ASKED)) is None
