"""The journal reader on made and mutated journals, and on one that was cut anywhere."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.records import SweepEnded
from dpo_ray.tracking.state import fold
from tests.fuzz.fuzzing import bounded_memory, edited, ends_well, examples

WHOLE = (Path(__file__).parents[1] / "report/example.journal.jsonl").read_bytes()
LINES = WHOLE.splitlines(keepends=True)
SHORT = b"".join(LINES[:40])
WORDS = (b"\n", b"null", b"NaN", b"1e999", b"-1", b"\x00", b"\xff", b'"', b"{", b"}", b"[" * 500,
         b'"kind": "trial_ended"', b'"trial": 99', b"9" * 400, *LINES[:60:7])  # fmt: skip


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("journal") / "journal.jsonl"


def read(file: Path, content: bytes) -> bool:
    file.write_bytes(content)
    return ends_well(lambda: fold(read_journal(file)))


def test_a_mutated_journal_is_read_or_refused(file):
    @examples(fuzzers=2)
    @given(edited(SHORT, WORDS))
    def look(content):
        read(file, content)

    with bounded_memory():
        look()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@st.composite
def renumbered(draw):
    """Real lines in another order, numbered anew, with some of their values replaced."""
    chosen = draw(st.lists(st.sampled_from(LINES), min_size=1, max_size=12))
    made = []
    for number, line in enumerate(chosen):
        record = json.loads(line) | {"seq": number}
        for key in draw(st.lists(st.sampled_from(sorted(record)), max_size=2)):
            if key not in ("seq", "kind"):
                record[key] = draw(json_values | st.sampled_from([0, -1, 10**12, 1e308, "", None]))
        made.append(json.dumps(record))
    return ("\n".join(made) + "\n").encode("utf-8", "replace")


def test_a_made_journal_is_read_or_refused(file):
    @examples(fuzzers=2)
    @given(renumbered())
    def look(content):
        read(file, content)

    with bounded_memory():
        look()


def test_a_journal_cut_at_every_byte_of_its_last_line_recovers(tmp_path):
    whole = b"".join(LINES)
    last = len(LINES[-1])
    before = read_journal_of(tmp_path / "before.jsonl", b"".join(LINES[:-1]))
    for cut in range(1, last + 1):
        file = tmp_path / "cut.jsonl"
        assert read_journal_of(file, whole[:-cut]) == before
        journal = Journal.reopen(file)
        journal.append(SweepEnded(exit_code=0, reason="after the cut"), sync=False)
        journal.close()
        assert [each.seq for each in read_journal(file)] == list(range(len(LINES)))
    assert last > 100


def read_journal_of(file: Path, content: bytes):
    file.write_bytes(content)
    return read_journal(file)
