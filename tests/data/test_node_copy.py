"""A node reads its own copy: made once, by one of its workers, and forgotten when unused."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dpo_ray.data.node_copy import drop_unused, on_this_node
from dpo_ray.data.prepared import Prepared

COPY = """
import sys
from pathlib import Path
from dpo_ray.data import node_copy
from dpo_ray.data.prepared import Prepared
made = []
real = node_copy.shutil.copytree
def counted(*arguments, **others):
    made.append(arguments[0].name)
    return real(*arguments, **others)
node_copy.shutil.copytree = counted
store, node = map(Path, sys.argv[1:])
names = ("tokens-1", "scores-1", "completions-1", "judged-1")
found = node_copy.on_this_node(Prepared(*(store / name for name in names)), node)
assert all((entry / "data").read_text() for entry in found.entries.values())
print(*made)
"""


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    folders = [tmp_path / "store" / f"{name}-1" for name in Prepared.__dataclass_fields__]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "data").write_text(folder.name)
    return Prepared(*folders)


def test_without_a_node_cache_entries_are_read_where_they_lie(prepared):
    assert on_this_node(prepared, None) == prepared


def test_entries_are_read_from_the_nodes_own_folder(prepared, tmp_path):
    local = on_this_node(prepared, tmp_path / "node")
    for name, entry in local.entries.items():
        assert entry == tmp_path / "node" / f"{name}-1"
        assert (entry / "data").read_text() == f"{name}-1"
    assert (tmp_path / "node").stat().st_mode & 0o777 == 0o700


def test_of_several_workers_one_copies_and_the_others_find_it(prepared, tmp_path):
    command = [sys.executable, "-c", COPY, str(tmp_path / "store"), str(tmp_path / "node")]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    copied = [name for worker in workers for name in worker.communicate()[0].split()]
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    assert sorted(copied) == sorted(entry.name for entry in prepared.entries.values())


def test_a_full_disk_leaves_the_entry_where_it_is(prepared, tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copytree", full)
    assert on_this_node(prepared, tmp_path / "node") == prepared
    assert [path.name for path in (tmp_path / "node").iterdir() if path.is_dir()] == []


def test_copies_nobody_asked_for_in_two_weeks_make_room(prepared, tmp_path):
    node = tmp_path / "node"
    local = on_this_node(prepared, node)
    long_ago = time.time() - 15 * 86400
    for entry in (local.tokens, local.scores):
        os.utime(entry, (long_ago, long_ago))
    drop_unused(node, 14, keep={local.tokens})
    assert local.tokens.is_dir()
    assert not local.scores.exists()
    assert local.judged.is_dir()
