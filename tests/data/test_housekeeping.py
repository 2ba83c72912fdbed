"""The cache is listed and pruned by age and size, and never under anybody's hands."""

import os
from pathlib import Path

import pytest

from dpo_ray.data.housekeeping import Entry, drop, entries, to_drop
from dpo_ray.data.waiting import making

DAY = 86400.0
NOW = 100 * DAY


def entry(name: str, size: int = 10, days: float = 0.0, kind: str = "tokens") -> Entry:
    return Entry(Path("cache") / name, size, NOW - days * DAY, kind)


OLD, MIDDLE, NEW = entry("tokens-a", days=30), entry("scores-b", days=10), entry("rows-c")


@pytest.mark.parametrize(
    ("rule", "gone"),
    [
        ({}, []),
        ({"older_than_days": 20}, [OLD]),
        ({"older_than_days": 5}, [OLD, MIDDLE]),
        ({"older_than_days": 5, "protected": ["tokens-a"]}, [MIDDLE]),
        ({"max_bytes": 30}, []),
        ({"max_bytes": 29}, [OLD]),
        ({"max_bytes": 10}, [OLD, MIDDLE]),
        ({"max_bytes": 10, "protected": ["scores-b"]}, [OLD, NEW]),
        ({"max_bytes": 20, "older_than_days": 20}, [OLD]),
    ],
)
def test_what_goes_is_what_was_unused_longest(rule, gone):
    assert to_drop([NEW, MIDDLE, OLD], NOW, **rule) == gone


def test_what_a_killed_writer_left_goes_after_a_day_and_protects_nothing():
    fresh, stale = (entry(f".tokens-a-{n}", days=n, kind="leftover") for n in (0.5, 1.5))
    assert to_drop([fresh, stale], NOW) == [stale]


def test_unfinished_shards_are_as_protected_as_their_entry():
    parts = entry("tokens-a.parts", days=30, kind="unfinished")
    assert to_drop([parts], NOW, older_than_days=1, protected=["tokens-a"]) == []
    assert to_drop([parts], NOW, older_than_days=1) == [parts]


def test_the_cache_is_listed_with_kinds_sizes_and_last_use(tmp_path):
    for name, days in (("tokens-1", 3), ("scores-2.parts", 2), (".rows-3-x", 1)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"12345")
        os.utime(tmp_path / name, (NOW - days * DAY,) * 2)
    (tmp_path / ".tokens-1.lock").touch()
    assert [(each.kind, each.bytes, each.used) for each in entries(tmp_path)] == [
        ("leftover", 5, NOW - DAY),
        ("unfinished", 5, NOW - 2 * DAY),
        ("tokens", 5, NOW - 3 * DAY),
    ]
    assert entries(tmp_path / "none") == []


def test_an_entry_that_is_being_made_is_not_dropped(tmp_path):
    parts = tmp_path / "tokens-1.parts"
    parts.mkdir()
    found = entries(tmp_path)[0]
    with making([tmp_path / "tokens-1"], lambda: None, lambda _: None):
        assert not drop(found)
    assert parts.is_dir()
    assert drop(found)
    assert entries(tmp_path) == []
