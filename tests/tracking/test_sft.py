"""The reference's fine-tuning, as state, as lines, and on a terminal."""

import io

import pytest

from dpo_ray.tracking.console import SweepConsole
from dpo_ray.tracking.journal import read_journal
from dpo_ray.tracking.records import ReferenceMetrics
from dpo_ray.tracking.sft_lines import sft_progress, sft_result
from dpo_ray.tracking.state import fold


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch):
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "24"}.items():
        monkeypatch.setenv(name, value)
    return Terminal()


def shown(records, stream):
    """What a console shows of records, by whose times it goes."""
    now = [records[0].time]
    with SweepConsole("sweep", 12, stream, clock=lambda: now[0]) as console:
        for record in records:
            now[0] = record.time
            console(record)
    return stream.getvalue()


def lines(records):
    stamp = len("2026-01-02 03:04:05 ")
    return [text[stamp:] for text in shown(records, io.StringIO()).splitlines()]


def test_the_journal_holds_it_all(journal, planned, sft):
    written = [journal.append(record) for record in (planned, *sft)]
    assert read_journal(journal.path) == written


def test_the_fold_knows_how_far_it_is_and_what_came_of_it(sft):
    assert fold([]).sft is None
    half = fold(sft[:3]).sft
    assert (half.status, half.step, half.first_loss, half.loss) == ("RUNNING", 30, 3.21, 2.2)
    done = fold(sft).sft
    assert (done.status, done.loss, done.model) == ("COMPLETED", 1.87, sft[-1].model)
    assert (done.base, done.reused, done.started, done.ended) == (
        "/models/base",
        False,
        1000.0,
        1062.0,
    )


def test_without_a_terminal_it_has_a_line_at_its_start_now_and_then_and_at_its_end(sft):
    assert lines(sft) == [
        "reference: SFT on 158 texts (2 of them cut at max_length), 60 steps",
        "reference: SFT step 30/60, 1 steps/s, about 30 s left, loss 2.2",
        "reference: SFT step 60/60, 1 steps/s, about 0 s left, loss 1.87",
        "reference: SFT done in 1 min 02 s, 60 steps, loss 3.21 -> 1.87",
    ]


def test_logging_steps_closer_than_ten_seconds_have_one_line_together(sft):
    steps = [
        ReferenceMetrics(step=step, metrics={"train/loss": 2.0}, time=1000.0 + 4 * step)
        for step in range(1, 11)
    ]
    said = [text for text in lines([sft[0], *steps]) if "SFT step" in text]
    assert [text.split(",")[0] for text in said] == [
        f"reference: SFT step {step}/60" for step in (3, 6, 9)
    ]
    assert "4 s/step, about 3 min 24 s left" in said[2]


def test_one_found_in_the_cache_has_one_line(found):
    assert lines(found) == [
        "reference: SFT found in the cache, once made in 1 min 02 s, 60 steps, loss 3.21 -> 1.87"
    ]


def test_one_that_broke_says_where_and_why(sft):
    broken = sft[-1].model_copy(update={"state": "FAILED", "reason": "non-finite", "step": 4})
    assert lines([*sft[:2], broken])[-1] == (
        "reference: SFT FAILED after 1 min 02 s at step 4/60: non-finite"
    )


def test_one_that_broke_before_its_first_step_has_one_line(sft):
    begin = sft[0].model_copy(update={"texts": 0, "total_steps": 0})
    broken = sft[-1].model_copy(update={"state": "FAILED", "reason": "no memory", "step": 0})
    assert len(lines([begin, broken])) == 1


def test_a_terminal_follows_it_live_and_keeps_its_end(sft, terminal):
    text = shown(sft[:3], terminal)
    assert "reference: SFT step 30/60, 1 steps/s, about 30 s left, loss 2.2" in text
    assert "SFT on 158 texts" not in text
    assert "SFT done in 1 min 02 s" in shown(sft, Terminal())


def test_remaining_time_runs_on_between_two_logging_steps(sft):
    row = fold(sft[:3]).sft
    assert "about 30 s left" in sft_progress(row, 1030.0)
    assert "about 22 s left" in sft_progress(row, 1038.0)
    assert "about 0 s left" in sft_progress(row, 1099.0)


def test_before_the_first_logging_step_there_is_no_rate(sft):
    assert sft_progress(fold(sft[:1]).sft, 1010.0) == "reference: SFT step 0/60"
    assert sft_result(fold(sft[:1]).sft).startswith("reference: SFT on 158 texts")
