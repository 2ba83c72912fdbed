"""Every kind of source becomes one table on disk, and what is broken in it is named by its line."""

import bz2
import gzip
import json
import logging
import lzma
import os

import datasets
import pytest

from dpo_ray.data.reading import read_source
from dpo_ray.data.source import find_source
from dpo_ray.errors import DataError

PAIR = {"prompt": "The soup was", "chosen": " good.", "rejected": " bad."}
LINE = json.dumps(PAIR) + "\n"
TWO_CELLS = "must be CSV with 2 cells a row, one for each column name"
CELLS = b"The soup was, good., bad.\n"
TALK = [{"role": "assistant", "content": "Good."}]


@pytest.fixture
def read(tmp_path):
    """Write `content` to a file of this name and read it."""

    def run(name, content=None, limit=None, **choice):
        path = tmp_path / name
        if content is not None:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        return read_source(find_source(str(path), scratch=scratch, **choice), scratch, limit)

    return run


def rows(*values):
    return "".join(json.dumps(value) + "\n" for value in values)


def refusal(read, *arguments):
    with pytest.raises(DataError) as caught:
        read(*arguments)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", LINE * 2),
        ("a.ndjson", LINE + "\n" + LINE.strip()),
        ("a.json", LINE * 2),
        ("a.json", json.dumps([PAIR, PAIR])),
        ("a.json", "\n " + json.dumps([PAIR, PAIR], indent=2)),
        ("a.jsonl", b"\xef\xbb\xbf" + LINE.encode() * 2),
        ("a.jsonl", LINE.replace("\n", "\r\n") * 2),
        ("a.jsonl.gz", gzip.compress(LINE.encode() * 2)),
        ("a.jsonl.bz2", bz2.compress(LINE.encode() * 2)),
        ("a.jsonl.xz", lzma.compress(LINE.encode() * 2)),
        ("a.csv", "prompt,chosen,rejected\n" + "The soup was, good., bad.\n" * 2),
        ("a.csv", b"\xef\xbb\xbfprompt,chosen,rejected\r\n" + b"The soup was, good., bad.\r\n" * 2),
        ("a.csv.gz", gzip.compress(b"prompt,chosen,rejected\n" + CELLS * 2)),
    ],
)  # fmt: skip
def test_text_files_are_read_compressed_or_not(read, name, content):
    assert list(read(name, content)) == [PAIR, PAIR]


def test_parquet_is_read(read, tmp_path):
    datasets.disable_progress_bars()
    datasets.Dataset.from_list([PAIR, PAIR]).to_parquet(str(tmp_path / "a.parquet"))
    assert list(read("a.parquet")) == [PAIR, PAIR]


def test_saved_folders_are_read(read, tmp_path):
    datasets.disable_progress_bars()
    table = datasets.Dataset.from_list([PAIR, PAIR])
    datasets.DatasetDict(train=table, test=table.select([0])).save_to_disk(str(tmp_path / "dict"))
    table.save_to_disk(str(tmp_path / "single"))
    assert list(read("single")) == [PAIR, PAIR]
    assert list(read("dict", split="test")) == [PAIR]


def test_a_damaged_saved_folder_is_named(read, tmp_path):
    datasets.disable_progress_bars()
    datasets.Dataset.from_list([PAIR]).save_to_disk(str(tmp_path / "single"))
    next((tmp_path / "single").glob("*.arrow")).write_bytes(b"?")
    assert refusal(read, "single").startswith(
        f"{tmp_path}/single: must be a folder of Dataset.save_to_disk; the reader says: "
    )


def test_several_files_are_one_table_in_order_of_name(read, tmp_path):
    (tmp_path / "b.jsonl").write_text(rows({**PAIR, "prompt": "The tea was"}))
    (tmp_path / "a.jsonl").write_text(LINE)
    assert read("*.jsonl")["prompt"][:] == ["The soup was", "The tea was"]


@pytest.mark.parametrize("name", ["b[1].jsonl", "star*.jsonl", "#1 a::b.jsonl", ".hidden.jsonl"])
def test_odd_names_are_read_as_they_are(read, name):
    assert list(read(name, LINE)) == [PAIR]


@pytest.mark.parametrize("limit", [1, 2, 9])
def test_a_limit_takes_the_first_rows(read, limit):
    table = read("a.jsonl", rows(*[{**PAIR, "score": number} for number in range(4)]), limit)
    assert table["score"][:] == list(range(min(limit, 4)))


def test_rows_are_mapped_from_the_scratch_folder_and_nothing_lies_beside_the_file(read, tmp_path):
    table = read("a.jsonl", LINE)
    assert all(file["filename"].startswith(str(tmp_path / "scratch")) for file in table.cache_files)
    assert table.cache_files
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "scratch"]


def test_a_file_put_back_with_its_old_time_gives_its_new_rows(read, tmp_path):
    read("a.jsonl", LINE)
    times = (tmp_path / "a.jsonl").stat()
    (tmp_path / "a.jsonl").write_text(rows({**PAIR, "prompt": "The tea was!"}))
    os.utime(tmp_path / "a.jsonl", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert read("a.jsonl")[0]["prompt"] == "The tea was!"


def test_a_column_of_two_types_reaches_the_caller(read):
    table = read("a.jsonl", rows(PAIR, {**PAIR, "chosen": TALK}, {**PAIR, "chosen": 5}))
    assert table["chosen"][:] == [" good.", TALK, 5]


def test_a_column_that_only_some_rows_have_is_null_in_the_others(read):
    assert read("a.jsonl", rows(PAIR, {**PAIR, "tools": None, "score": 1}))["score"][:] == [None, 1]


def test_a_log_of_an_agent_is_a_table_like_any_other(read):
    row = {**PAIR, "type": "user", "message": {"text": "Hello"}}
    table = read("a.jsonl", rows(row, {**row, "message": "Hello"}))
    assert table.column_names == [*PAIR, "type", "message"]
    assert table[0]["type"] == "user"


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.csv.gz"])
@pytest.mark.parametrize("content", ["", "\n \n"])
def test_a_file_without_rows_says_so(read, tmp_path, name, content):
    data = gzip.compress(content.encode()) if name.endswith(".gz") else content
    text = refusal(read, name, data)
    assert text.startswith(f"{tmp_path}/{name}: at least one row is needed, there ")


def test_a_parquet_file_without_rows_says_so(read, tmp_path):
    datasets.disable_progress_bars()
    datasets.Dataset.from_list([PAIR]).select([]).to_parquet(str(tmp_path / "a.parquet"))
    assert refusal(read, "a.parquet") == (
        f"{tmp_path}/a.parquet: at least one row is needed, there is none"
    )


def test_an_empty_array_and_bare_column_names_are_no_rows(read, tmp_path):
    assert refusal(read, "a.json", "[]") == (
        f"{tmp_path}/a.json: at least one row is needed, there is none"
    )
    assert refusal(read, "a.csv", "prompt,chosen\n") == (
        f"{tmp_path}/a.csv: at least one row is needed, there are only column names"
    )


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (f'{LINE}\n{{"prompt": oops\n', "3: must be JSON lines, one object a line, or one array "
         "of objects, with columns of one type each; the reader says: Expecting value: line 1 "
         "column 12 (char 11)"),
        (LINE + "5\n", "2: must be JSON lines, one object a line, got 5"),
        (LINE + "[1]\n", "2: must be JSON lines, one object a line, got [1]"),
        (json.dumps(PAIR, indent=1), '2: must be JSON lines, one object a line, got "prompt": '
         '"The soup was",'),
        (LINE.encode() + b'{"prompt": "caf\xe9"}\n', "2: must be UTF-8 text: 'utf-8' codec can't "
         "decode byte 0xe9 in position 15: invalid continuation byte"),
        ("[\n" + LINE + ",\n{oops}]", "4: must be a JSON array of objects: Expecting property "
         "name enclosed in double quotes, column 2"),
    ],
)  # fmt: skip
def test_the_broken_line_of_a_json_file_is_named(read, tmp_path, content, text):
    assert refusal(read, "a.jsonl", content) == f"{tmp_path}/a.jsonl:{text}"


def test_the_broken_line_of_the_second_file_is_named(read, tmp_path):
    (tmp_path / "a.jsonl").write_text(LINE)
    (tmp_path / "b.jsonl").write_text(LINE + '{"a": \n')
    assert refusal(read, "*.jsonl").startswith(f"{tmp_path}/b.jsonl:2: must be JSON lines, ")


def test_an_array_of_anything_but_objects_is_refused(read, tmp_path):
    assert refusal(read, "a.json", json.dumps([PAIR, "soup"])) == (
        f'{tmp_path}/a.json: must be a JSON array of objects, item 2 is "soup"'
    )


def test_a_compressed_file_that_was_cut_off_is_named(read, tmp_path):
    text = refusal(read, "a.jsonl.gz", gzip.compress(LINE.encode())[:-6])
    assert text.startswith(f"{tmp_path}/a.jsonl.gz: cannot be read: Compressed file ended before ")


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz"])
@pytest.mark.parametrize("reader", ["jsonl", "csv"])
def test_a_compressed_file_that_is_none_is_named(read, tmp_path, suffix, reader):
    name = f"a.{reader}.{suffix}"
    assert refusal(read, name, LINE).startswith(f"{tmp_path}/{name}: cannot be read: ")


def test_a_compressed_file_with_a_broken_middle_is_named(read, tmp_path):
    content = bytearray(gzip.compress(LINE.encode() * 99))
    content[20:30] = b"\xff" * 10
    assert refusal(read, "a.jsonl.gz", bytes(content)).startswith(
        f"{tmp_path}/a.jsonl.gz: cannot be read: "
    )


def test_every_cell_of_a_csv_is_text_and_only_an_empty_one_is_null(read):
    cells = 'NA,None,null\nnan,N/A,-\n12,1.50,007\n,"",TRUE\n'
    table = read("a.csv", "prompt,chosen,rejected\n" + cells)
    assert [list(row.values()) for row in table] == [
        ["NA", "None", "null"], ["nan", "N/A", "-"], ["12", "1.50", "007"], [None, None, "TRUE"],
    ]  # fmt: skip


def test_a_csv_cell_may_hold_lines_commas_quotes_and_long_texts(read):
    long = "soup " * 50_000
    table = read("a.csv", f'prompt,chosen\n"a\n""b"", c","{long}"\n\nd,e\n')
    assert list(table) == [
        {"prompt": 'a\n"b", c', "chosen": long}, {"prompt": "d", "chosen": "e"},
    ]  # fmt: skip


def test_a_csv_with_its_row_numbers_saved_keeps_its_columns_apart(read):
    assert list(read("a.csv", ",prompt,chosen\n0,a,b\n")) == [
        {"Unnamed: 0": "0", "prompt": "a", "chosen": "b"}
    ]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a,b\n1,2\n1,2,3\n", f":3: {TWO_CELLS}, got 3"),
        ("a,b\n1,2,3\n1,2,3\n", f":2: {TWO_CELLS}, got 3"),
        ("a,b\n1\n", f":2: {TWO_CELLS}, got 1"),
        ('a,b\n1,"2\n1,2\n', ":3: must be CSV: unexpected end of data"),
        ('a,b\n1,"2" 3\n', ":2: must be CSV: ',' expected after '\"'"),
        ("a,a\n1,2\n", ": column names must differ, twice there: a"),
        (b"a,b\n1,caf\xe9\n", ":2: must be UTF-8 text: 'utf-8' codec can't decode byte 0xe9 in "
         "position 5: invalid continuation byte"),
    ],
)  # fmt: skip
def test_the_broken_line_of_a_csv_is_named(read, tmp_path, content, text):
    assert refusal(read, "a.csv", content) == f"{tmp_path}/a.csv{text}"


def test_csv_files_of_different_columns_are_refused(read, tmp_path):
    (tmp_path / "a.csv").write_text("prompt,chosen\n1,2\n")
    (tmp_path / "b.csv").write_text("prompt,rejected\n1,2\n")
    assert refusal(read, "*.csv") == (
        f"{tmp_path}/b.csv: column names must be those of {tmp_path}/a.csv, prompt, chosen; "
        "got prompt, rejected"
    )


def test_what_is_no_parquet_is_refused(read, tmp_path):
    assert refusal(read, "a.parquet", b"no").startswith(
        f"{tmp_path}/a.parquet: must be Parquet; the reader says: "
    )


def test_nothing_is_printed_and_what_was_set_stays_set(read, capfd, caplog):
    datasets.enable_progress_bars()
    level = logging.getLogger("datasets").level
    read("a.jsonl", LINE)
    refusal(read, "b.parquet", b"no")
    assert not datasets.are_progress_bars_disabled()
    assert logging.getLogger("datasets").level == level
    assert capfd.readouterr() == ("", "")


def test_a_local_file_is_read_without_a_network(read, monkeypatch):
    def refuse(*arguments, **named):
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("socket.socket.connect", refuse)
    assert list(read("a.jsonl", LINE)) == [PAIR]
