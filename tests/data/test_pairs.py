"""From a source to checked rows on disk, split by prompt, found again by what they depend on."""

import json
import os

import pytest
from datasets import Dataset

from dpo_ray.config.data import DataConfig
from dpo_ray.data.pairs import read_pairs
from dpo_ray.data.rows import load_rows, row_counts
from dpo_ray.data.split import split_of
from dpo_ray.errors import DataError

ASKED = [{"role": "user", "content": "How was it?"}]
CALL = [{"role": "assistant", "content": None, "tool_calls": [{"name": "weather"}]}]


def pair(number):
    return {"prompt": f"Soup {number} was", "chosen": " good.", "rejected": " bad."}


def talk(number):
    return {
        "prompt": [{"role": "system", "content": "Be brief."}, *ASKED, *ASKED * number],
        "chosen": [{"role": "assistant", "content": "Good."}],
        "rejected": CALL if number % 2 else [{"role": "assistant", "content": "Bad."}],
        "tools": [{"name": "weather"}] if number % 2 else None,
    }


PAIRS = [pair(number) for number in range(30)]


@pytest.fixture
def source(tmp_path):
    return tmp_path / "pairs.jsonl"


@pytest.fixture
def read(source, tmp_path):
    def run(rows, **settings):
        source.write_text("".join(json.dumps(row) + "\n" for row in rows))
        data = DataConfig.model_validate({"source": str(source), **settings})
        return read_pairs(data, tmp_path / "cache")

    return run


def rows_of(pairs):
    return [row for split in row_counts(pairs.folder) for row in load_rows(pairs.folder, split)]


def refusal(read, rows, **settings):
    with pytest.raises(DataError) as caught:
        read(rows, **settings)
    return str(caught.value)


def test_rows_come_back_as_they_were_with_number_and_prompt_text(read):
    found = rows_of(read(PAIRS))
    assert sorted(found, key=lambda row: row["row"]) == [
        {**row, "row": number, "prompt_text": row["prompt"]}
        for number, row in enumerate(PAIRS, start=1)
    ]


def test_messages_keep_their_own_keys_and_tools_their_rows(read):
    talks = [talk(number) for number in range(20)]
    pairs = read(talks)
    assert pairs.report.format == "conversational, tools"
    call = [{"role": "assistant", "tool_calls": [{"name": "weather"}]}]
    for row in rows_of(pairs):
        given = talks[row["row"] - 1]
        assert (row["prompt"], row["tools"]) == (given["prompt"], given["tools"])
        assert row["rejected"] == (call if given["tools"] else given["rejected"])
        assert row["prompt_text"].startswith("Be brief.\nHow was it?\n")


def test_every_row_stands_in_its_prompts_split_and_the_report_counts_them(read):
    pairs = read(PAIRS)
    for split in row_counts(pairs.folder):
        assert {split_of(row["prompt"], 0.2, 0.2) for row in load_rows(pairs.folder, split)} == {
            split
        }
    assert pairs.report.prompts == row_counts(pairs.folder)
    assert pairs.report.prompts_in_two_splits == 0
    assert (pairs.report.read, pairs.report.kept) == (30, 30)


def test_dropped_rows_are_gone_and_the_others_keep_their_numbers(read):
    pairs = read([*PAIRS, {**pair(1), "chosen": " bad."}, pair(2)])
    assert sorted(row["row"] for row in rows_of(pairs)) == list(range(1, 31))
    assert [(each.reason, each.rows) for each in pairs.report.findings] == [
        ("identical_pair", [31]),
        ("duplicate_pair", [32]),
    ]


def test_a_limit_takes_the_first_rows_and_checks_no_more(read):
    assert read([*PAIRS, {**pair(0), "chosen": ""}], limit=30).report.read == 30


@pytest.mark.parametrize(
    "columns",
    [
        {"prompt": "question", "chosen": "better", "rejected": "worse"},
        {"chosen": "better", "rejected": "worse"},
    ],
)
def test_other_names_of_columns_are_mapped_and_other_columns_left_behind(read, columns):
    theirs = [
        {columns.get(name, name): text for name, text in row.items()} | {"score": 1.0}
        for row in PAIRS
    ]
    pairs = read(theirs, columns=columns)
    assert {row["prompt"] for row in rows_of(pairs)} == {row["prompt"] for row in PAIRS}


def test_the_prompt_is_split_off_where_the_source_has_none(read):
    implicit = [
        {name: row["prompt"] + row[name] for name in ("chosen", "rejected")} for row in PAIRS
    ]
    pairs = read(implicit)
    assert pairs.report.format == "standard, implicit prompt"
    assert {row["prompt"] for row in rows_of(pairs)} == {row["prompt"] for row in PAIRS}


def test_a_missing_column_is_named_beside_those_found(read, source):
    rows = [{"prompt": "x", "chosen": "y", "score": 1}]
    assert refusal(read, rows) == (
        f"{source}: columns chosen and rejected are needed, prompt beside them or at the "
        "beginning of both; missing: rejected; found: prompt, chosen, score; "
        "data.columns maps other names"
    )
    assert refusal(read, PAIRS, columns={"rejected": "worse"}) == (
        f"{source}: columns chosen and rejected are needed, prompt beside them or at the "
        "beginning of both; missing: worse (data.columns); found: prompt, chosen, rejected; "
        "data.columns maps other names"
    )


def test_tools_beside_strings_are_refused(read, source):
    assert refusal(read, [{**row, "tools": "[]"} for row in PAIRS]) == (
        f"{source}: tools need conversations, whose chat template shows them, "
        "got a tools column beside strings"
    )


@pytest.mark.parametrize("bad", [{**pair(0), "chosen": None}, {**pair(0), "rejected": [5]}])
def test_nothing_is_written_unless_every_row_passed(read, tmp_path, bad):
    refusal(read, [*PAIRS, bad])
    assert not (tmp_path / "cache").exists()


def test_a_source_without_rows_says_so(tmp_path):
    saved = Dataset.from_dict({"prompt": ["a"], "chosen": ["b"], "rejected": ["c"]})
    saved.filter(lambda row: False).to_parquet(str(tmp_path / "none.parquet"))
    with pytest.raises(DataError, match="at least one row is needed"):
        read_pairs(DataConfig(source=str(tmp_path / "none.parquet")), tmp_path / "cache")


def test_the_same_rows_are_found_again_and_others_are_not(read):
    first = read(PAIRS)
    written = first.folder / "report.json"
    before = written.stat().st_mtime_ns
    assert read(PAIRS, max_length=64).folder == first.folder
    assert written.stat().st_mtime_ns == before
    others = [
        read(PAIRS[:-1]),
        read(PAIRS, limit=20),
        read(PAIRS, validation=0.3),
        read(PAIRS, columns={"prompt": "prompt"}),
        read(PAIRS, warnings={"duplicate_pair": "keep"}),
    ]
    assert len({pairs.folder for pairs in [first, *others]}) == 6


def test_rows_that_are_found_again_say_when_and_under_which_name(read, source, tmp_path):
    first = read(PAIRS)
    os.utime(first.folder, (0, 0))
    renamed = source.rename(source.with_name("renamed.jsonl"))
    again = read_pairs(DataConfig(source=str(renamed)), tmp_path / "cache")
    assert again.folder == first.folder
    assert again.folder.stat().st_mtime > 0
    assert again.report.source == str(renamed)


def test_what_is_done_with_long_prompts_does_not_change_the_rows(read):
    assert read(PAIRS, warnings={"long_prompt": "stop"}).folder == read(PAIRS).folder


def test_a_split_may_stay_empty(read):
    assert "test" not in row_counts(read(PAIRS, test=0.0).folder)
