"""An entry appears whole or not at all, under a key that follows from content alone."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpo_ray.data.cache import content_key, folder_digest, new_entry

values = st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.floats(allow_nan=False))
facts = st.dictionaries(st.text(), st.one_of(values, st.dictionaries(st.text(), values)))


@given(facts)
def test_a_key_is_independent_of_order(found):
    turned = dict(reversed(found.items()))
    assert content_key(turned) == content_key(found)
    assert len(content_key(found)) == 16


@given(facts, facts)
def test_different_facts_have_different_keys(one, other):
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (content_key(one) == content_key(other)) == same


def test_keys_are_the_same_on_every_machine_and_in_every_release():
    assert content_key({"model": "abc", "max_length": 512}) == "4a1929d71c28d11f"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model" / "sub").mkdir(parents=True)
    (tmp_path / "model" / "a.bin").write_bytes(b"one")
    (tmp_path / "model" / "sub" / "b.bin").write_bytes(b"two")
    return tmp_path / "model"


def _change_a_byte(folder: Path) -> None:
    (folder / "a.bin").write_bytes(b"onE")


def _change_a_name(folder: Path) -> None:
    (folder / "a.bin").rename(folder / "c.bin")


def _move_a_file(folder: Path) -> None:
    (folder / "sub" / "b.bin").rename(folder / "b.bin")


def _add_a_file(folder: Path) -> None:
    (folder / "empty").touch()


@pytest.mark.parametrize("change", [_change_a_byte, _change_a_name, _move_a_file, _add_a_file])
def test_a_folders_digest_follows_every_name_and_byte(folder, change):
    before = folder_digest(folder)
    change(folder)
    assert folder_digest(folder) != before


def test_a_copy_elsewhere_has_the_same_digest(folder):
    copy = folder.rename(folder.parent / "elsewhere")
    before = folder_digest(copy)
    copy.rename(folder)
    assert folder_digest(folder) == before


def test_an_entry_appears_only_when_it_is_whole(tmp_path):
    target = tmp_path / "cache" / "tokens-1"
    with new_entry(target) as building:
        (building / "rows").write_text("all of them")
        assert not target.exists()
    assert (target / "rows").read_text() == "all of them"
    assert list(target.parent.iterdir()) == [target]


def test_an_entry_is_readable_by_others(tmp_path):
    with new_entry(tmp_path / "entry"):
        pass
    assert (tmp_path / "entry").stat().st_mode & 0o777 == 0o755


def _fail_half_way(target: Path) -> None:
    with new_entry(target) as building:
        (building / "rows").write_text("half of th")
        raise RuntimeError("the disk is full")


def test_an_error_in_the_middle_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError, match="the disk is full"):
        _fail_half_way(tmp_path / "cache" / "entry")
    assert list((tmp_path / "cache").iterdir()) == []


def test_of_two_writers_at_once_the_first_to_finish_stands(tmp_path):
    target = tmp_path / "entry"
    with new_entry(target) as slow:
        (slow / "rows").write_text("by the slow one")
        with new_entry(target) as fast:
            (fast / "rows").write_text("by the fast one")
    assert (target / "rows").read_text() == "by the fast one"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_in_an_entrys_place_is_an_error(tmp_path):
    (tmp_path / "entry").write_text("in the way")
    with pytest.raises(NotADirectoryError), new_entry(tmp_path / "entry"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["entry"]
