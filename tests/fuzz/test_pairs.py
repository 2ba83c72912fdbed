"""The data reader on made and mutated files of every kind it reads."""

import csv
import io
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpo_ray.config.data import DataConfig
from dpo_ray.data.pairs import read_pairs
from tests.fuzz.fuzzing import bounded_memory, edited, ends_well, examples

ROWS = [
    {"prompt": f"Soup {n} was", "chosen": f" good, {n}.", "rejected": " bad, so."} for n in range(6)
]
TALK = [
    {"prompt": [{"role": "user", "content": f"Soup {n}?"}],
     "chosen": [{"role": "assistant", "content": "Good."}],
     "rejected": [{"role": "assistant", "content": "Bad."}]} for n in range(4)
]  # fmt: skip
WORDS = (
    b"\n", b"\r", b",", b'"', b"{", b"}", b"[", b"]", b"null", b"NaN", b"\x00", b"\xff", b"1e999",
    b"\xef\xbb\xbf", b"9" * 400, b'"chosen": ', b'"prompt": null, ', b"\\ud83d", b"[" * 300,
    b'{"role": "x"}', b" " * 50, b"\xe2\x80\xa8", b"PAR1",
)  # fmt: skip


def table(rows) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def parquet(rows) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return bytes(sink.getvalue())


def lines(rows) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


GOOD = {
    "jsonl": [lines(ROWS), lines(TALK)],
    "json": [json.dumps(ROWS).encode(), json.dumps(TALK, indent=1).encode()],
    "csv": [table(ROWS)],
    "parquet": [parquet(ROWS), parquet(TALK)],
}


def read(folder: Path, kind: str, content: bytes) -> bool:
    file, cache = folder / f"pairs.{kind}", folder / "cache"
    file.write_bytes(content)
    found = ends_well(lambda: read_pairs(DataConfig(source=str(file)), cache))
    shutil.rmtree(cache, ignore_errors=True)
    return found


# pandas leaves a broken CSV file open until its reader is collected.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <_io.FileIO")
@pytest.mark.parametrize("kind", GOOD)
def test_a_mutated_file_is_read_or_refused(tmp_path_factory, kind):
    folder = tmp_path_factory.mktemp(kind)
    read(folder, kind, GOOD[kind][0])

    @examples(fuzzers=6)
    @given(st.sampled_from(GOOD[kind]).flatmap(lambda good: edited(good, WORDS)))
    def look(content):
        read(folder, kind, content)

    with bounded_memory():
        look()


cells = st.none() | st.text(max_size=12) | st.integers() | st.floats() | st.booleans()
messages = st.lists(
    st.fixed_dictionaries({"role": st.text(max_size=5), "content": cells})
    | st.dictionaries(st.sampled_from(["role", "content", "tool_calls", "x"]), cells, max_size=3),
    max_size=3,
)
columns = st.sampled_from(["prompt", "chosen", "rejected", "tools", "row", "label"])
rows = st.lists(
    st.dictionaries(columns, cells | messages | st.just(ROWS[0]), max_size=5), max_size=5
)


@pytest.mark.parametrize("kind", ["jsonl", "json"])
def test_made_rows_are_read_or_refused(tmp_path_factory, kind):
    folder = tmp_path_factory.mktemp("made")

    @examples(fuzzers=6)
    @given(rows)
    def look(made):
        text = lines(made) if kind == "jsonl" else json.dumps(made).encode()
        read(folder, kind, text)

    with bounded_memory():
        look()
