"""Rows are checked before anything else runs: errors name file and row, warnings are counted."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dpo_ray.data.pairs import read_pairs
from dpo_ray.errors import DataError

GOOD = {"prompt": "The soup was", "chosen": " good.", "rejected": " bad."}
TALK = {
    "prompt": [{"role": "user", "content": "How was the soup?"}],
    "chosen": [{"role": "assistant", "content": "Good."}],
    "rejected": [{"role": "assistant", "content": "Bad."}],
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "pairs.jsonl"


def write(source: Path, *rows: Any) -> Path:
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return source


def refusal(source: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_pairs(source)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(("row", "name"), [(GOOD, "standard"), (TALK, "conversational")])
def test_the_format_is_read_off_the_first_row(source, row, name):
    pairs = read_pairs(write(source, row, row))
    assert pairs.format == name
    assert pairs.rows == [{**row, "row": 1}, {**row, "row": 2}]


def test_other_columns_are_left_behind(source):
    pairs = read_pairs(write(source, {**GOOD, "score": 0.3}))
    assert pairs.rows == [{**GOOD, "row": 1}]


def test_identical_pairs_are_dropped_and_counted_and_rows_keep_their_numbers(source):
    pairs = read_pairs(write(source, GOOD, {**GOOD, "chosen": " bad."}, GOOD))
    assert pairs.counts == {"read": 3, "identical_pair": 1}
    assert [row["row"] for row in pairs.rows] == [1, 3]


def test_a_limit_takes_the_first_rows_and_checks_no_more(source):
    pairs = read_pairs(write(source, GOOD, GOOD, {**GOOD, "chosen": ""}), limit=2)
    assert pairs.counts == {"read": 2, "identical_pair": 0}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"chosen": None}, "chosen must not be null, got null"),
        ({"chosen": ""}, "chosen must not be empty, got ''"),
        ({"prompt": " \n"}, r"prompt must not be empty, got ' \n'"),
        ({"chosen": 5}, "chosen must be a string (the first row sets the format), got int"),
        (TALK, "prompt must be a string (the first row sets the format), got list"),
    ],
)
def test_a_bad_string_row_is_named_with_its_rule_and_value(source, change, text):
    assert refusal(write(source, GOOD, {**GOOD, **change})) == f"{source}: row 2: {text}"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"rejected": None}, "rejected must not be null, got null"),
        ({"chosen": []}, "chosen must hold at least one message, got an empty list"),
        (
            {"chosen": [{"role": "user", "content": "Good."}]},
            "chosen must be spoken by the assistant, got role 'user'",
        ),
        (
            {"rejected": [{"role": "assistant", "content": ""}]},
            "rejected: the assistant message must not be empty, got ''",
        ),
        (
            {"prompt": [{"role": "user"}]},
            "prompt: the user message must not be empty, got None",
        ),
        (
            {"prompt": [{"role": None, "content": "How?"}]},
            "prompt: every message must be {role, content}, got {'role': None, 'content': 'How?'}",
        ),
        (GOOD, "prompt must be a list of messages (the first row sets the format), got str"),
    ],
)
def test_a_bad_conversation_is_named_with_its_rule_and_value(source, change, text):
    assert refusal(write(source, TALK, {**TALK, **change})) == f"{source}: row 2: {text}"


def test_a_row_may_not_mix_the_formats(source):
    text = "chosen must be a string (the first row sets the format), got list"
    mixed = {**GOOD, "chosen": TALK["chosen"]}
    assert refusal(write(source, mixed)) == f"{source}: row 1: {text}"


def test_five_bad_rows_are_shown_and_the_others_counted(source):
    lines = refusal(write(source, GOOD, *[{**GOOD, "chosen": ""}] * 7)).splitlines()
    assert [line.split(": ")[1] for line in lines[:5]] == [f"row {n}" for n in range(2, 7)]
    assert lines[5:] == [f"{source}: and 2 more rows with problems"]


def test_a_missing_column_is_named_beside_those_found(source):
    assert refusal(write(source, {"prompt": "x", "chosen": "y", "score": 1})) == (
        f"{source}: columns prompt, chosen, rejected are needed, rejected is missing; "
        "found: prompt, chosen, score"
    )


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_a_file_without_rows_says_so(source, content):
    source.write_text(content)
    assert refusal(source) == f"{source}: at least one row is needed, the file is empty"


def test_a_file_in_which_nothing_is_preferred_says_so(source):
    assert refusal(write(source, *[{**GOOD, "chosen": " bad."}] * 3)) == (
        f"{source}: no row is left: in all 3 rows chosen equals rejected, "
        "so there is nothing to prefer"
    )


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_a_source_that_is_no_file_is_refused(source, kind):
    if kind == "folder":
        source.mkdir()
    assert refusal(source) == f"{source}: data.source must be an existing JSONL file, found none"


def test_the_line_that_is_no_json_is_named(source):
    source.write_text(f'{json.dumps(GOOD)}\n\n{{"prompt": oops\n')
    assert refusal(source) == (
        f"{source}:3: must be JSON lines, one object a line, with columns prompt, chosen, "
        "rejected of one type each; the reader says: Expecting value: line 1 column 12 (char 11)"
    )


def test_lines_of_anything_but_objects_are_refused(source):
    assert refusal(write(source, 5, 6)).startswith(
        f"{source}: must be JSON lines, one object a line, with columns prompt, chosen, rejected"
    )


def test_the_line_that_is_no_utf8_is_named(source):
    source.write_bytes(json.dumps(GOOD).encode() + b'\n{"prompt": "caf\xe9"}\n')
    assert refusal(source).startswith(f"{source}:2: must be UTF-8 text: 'utf-8' codec can't decode")


def test_reading_leaves_nothing_beside_the_source(source):
    read_pairs(write(source, GOOD))
    refusal(write(source, {**GOOD, "chosen": None}))
    assert list(source.parent.iterdir()) == [source]


def test_a_file_put_back_with_its_old_time_gives_its_new_rows(source):
    before = read_pairs(write(source, GOOD))
    times = source.stat()
    write(source, {**GOOD, "prompt": "The tea was"})
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    after = read_pairs(source)
    assert after.rows[0]["prompt"] == "The tea was"
    assert after.digest != before.digest
