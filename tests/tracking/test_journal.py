"""The journal keeps what it acknowledged, in order, through tears, full disks and threads."""

import logging
import math
import resource
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpo_ray.errors import CorruptJournal, StoreUnwritable
from dpo_ray.tracking.journal import Journal, read_journal, read_onwards
from dpo_ray.tracking.records import (
    AnyRecord,
    ArtifactWritten,
    Prepared,
    RungDecided,
    RungReached,
    SweepEnded,
    SweepPlanned,
    TrainMetrics,
    TrialEnded,
    TrialStarted,
)

RECORD_KINDS = [
    SweepPlanned,
    Prepared,
    TrialStarted,
    TrainMetrics,
    RungReached,
    RungDecided,
    TrialEnded,
    ArtifactWritten,
    SweepEnded,
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
finite = st.floats(allow_nan=False, allow_infinity=False)
shared = {"seq": st.just(-1), "time": st.just(0.0)}
fields = {
    "plan": st.dictionaries(st.text(), json_values, max_size=3),
    "params": st.dictionaries(st.text(), finite | st.booleans() | st.integers() | st.text()),
    "seconds": finite,
    "fraction": finite,
}
records = st.one_of(
    st.builds(
        kind,
        **shared,
        **{name: values for name, values in fields.items() if name in kind.model_fields},
    )
    for kind in RECORD_KINDS
)


def points(count: int, trial: int = 0) -> list[TrainMetrics]:
    return [TrainMetrics(trial=trial, step=step, metrics={"l": 0.5}) for step in range(count)]


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(records, max_size=4))
def test_what_is_appended_is_read_back(tmp_path_factory, appended: list[AnyRecord]):
    journal = Journal.create(tmp_path_factory.mktemp("round") / "journal.jsonl")
    stamped = [journal.append(record, sync=False) for record in appended]
    journal.close()
    # By their text, since a NaN does not equal itself.
    assert list(map(repr, read_journal(journal.path))) == list(map(repr, stamped))


def test_a_record_gets_its_number_and_time(journal, planned):
    first, second = journal.append(planned), journal.append(planned, sync=False)
    assert (first.seq, second.seq) == (0, 1)
    assert 0 < first.time <= second.time


def test_non_finite_metrics_survive_as_valid_json(journal):
    metrics = {"train/loss": math.nan, "train/grad_norm": math.inf}
    journal.append(TrainMetrics(trial=0, step=1, metrics=metrics))
    assert b'"NaN"' in journal.path.read_bytes()
    read = read_journal(journal.path)[0].metrics
    assert math.isnan(read["train/loss"])
    assert read["train/grad_norm"] == math.inf


def test_a_reason_with_undecodable_bytes_is_still_written(journal):
    reason = "no such file: " + b"caf\xe9".decode("utf-8", "surrogateescape")
    journal.append(SweepEnded(exit_code=2, reason=reason))
    assert read_journal(journal.path)[0].reason == "no such file: caf?"


def test_a_name_is_taken_only_once(journal):
    with pytest.raises(FileExistsError):
        Journal.create(journal.path)


def test_a_last_line_torn_at_any_byte_is_dropped(tmp_path, journal):
    for record in points(3):
        journal.append(record)
    whole = journal.path.read_bytes()
    last_line_starts = whole[:-1].rindex(b"\n") + 1
    torn = tmp_path / "torn.jsonl"
    for end in range(last_line_starts, len(whole)):
        torn.write_bytes(whole[:end])
        assert [record.seq for record in read_journal(torn)] == [0, 1]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b'{"kind": "train", "seq": 1', "not a journal record"),
        (b"", "not a journal record"),
        (b'{"kind": "surprise", "seq": 1}', "not a journal record"),
        (b"\xff\xfe\x00", "not a journal record"),
    ],
)
def test_damage_before_the_end_is_refused_by_file_and_line(journal, line, says):
    for record in points(3):
        journal.append(record)
    lines = journal.path.read_bytes().split(b"\n")
    lines[1] = line
    journal.path.write_bytes(b"\n".join(lines))
    with pytest.raises(CorruptJournal, match=rf"journal\.jsonl:2: {says}"):
        read_journal(journal.path)


def test_a_missing_line_is_refused(journal):
    for record in points(3):
        journal.append(record)
    first, _, third, _ = journal.path.read_bytes().split(b"\n")
    journal.path.write_bytes(b"\n".join([first, third, b""]))
    with pytest.raises(CorruptJournal, match=r":2: records must follow each other"):
        read_journal(journal.path)


def test_threads_append_without_mixing_their_lines(journal):
    def work(trial: int) -> None:
        for record in points(100, trial):
            journal.append(record, sync=False)

    threads = [threading.Thread(target=work, args=(trial,)) for trial in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    read = read_journal(journal.path)
    assert [record.seq for record in read] == list(range(800))
    for trial in range(8):
        assert [r.step for r in read if r.trial == trial] == list(range(100))


def test_a_write_that_fails_half_way_leaves_no_half_line(journal):
    """A file size limit stands in for the full disk: the system writes a part, then refuses."""
    journal.append(points(1)[0])
    size = journal.path.stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, hard))
    try:
        with pytest.raises(StoreUnwritable, match=r"File too large.*make room"):
            journal.append(points(1)[0])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert journal.path.stat().st_size == size
    journal.append(points(1)[0])
    assert [record.seq for record in read_journal(journal.path)] == [0, 1]


def test_listeners_hear_every_record_in_order_and_cannot_break_it(journal, caplog):
    heard: list[int] = []

    def broken(record: AnyRecord) -> None:
        raise ValueError("the screen is gone")

    journal.subscribe(broken)
    journal.subscribe(lambda record: heard.append(record.seq))
    with caplog.at_level(logging.WARNING):
        for record in points(3):
            journal.append(record)
    assert heard == [0, 1, 2]
    assert "the screen is gone" in caplog.text


def test_a_reader_goes_on_where_it_stopped(journal):
    journal.append(points(1)[0])
    read, offset = read_onwards(journal.path, 0, 0)
    assert [record.seq for record in read] == [0]
    assert read_onwards(journal.path, offset, 1) == ([], offset)
    assert read_onwards(journal.path, 0, 0, about=1) == (read, offset)
    journal.append(points(1)[0])
    read, offset = read_onwards(journal.path, offset, 1)
    assert [record.seq for record in read] == [1]
    assert offset == journal.path.stat().st_size


def test_a_reopened_journal_goes_on_counting(tmp_path):
    first = Journal.create(tmp_path / "journal.jsonl")
    first.append(SweepEnded(exit_code=130, reason="interrupted"))
    first.close()
    second = Journal.reopen(first.path)
    second.append(SweepEnded(exit_code=0, reason="done"))
    assert [record.seq for record in read_journal(first.path)] == [0, 1]
    assert second.path == first.path


def test_a_torn_last_line_is_cut_off_before_anything_is_added(tmp_path):
    first = Journal.create(tmp_path / "journal.jsonl")
    first.append(SweepEnded(exit_code=130, reason="interrupted"))
    first.close()
    whole = first.path.read_bytes()
    for cut in range(1, len(whole)):
        first.path.write_bytes(whole + whole[:cut])
        second = Journal.reopen(first.path)
        second.append(SweepEnded(exit_code=0, reason="done"))
        second.close()
        kept = read_journal(first.path)
        assert [record.reason for record in kept] == ["interrupted", "done"]


def test_a_damaged_journal_is_not_reopened(tmp_path):
    first = Journal.create(tmp_path / "journal.jsonl")
    for reason in ("one", "two"):
        first.append(SweepEnded(exit_code=130, reason=reason))
    first.close()
    text = first.path.read_text().replace('"seq"', '"se', 1)
    first.path.write_text(text)
    with pytest.raises(CorruptJournal, match=r"journal\.jsonl:1"):
        Journal.reopen(first.path)
    assert first.path.read_text() == text
