"""The console shows what matters where it is read, and never gets in the sweep's way."""

import io
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from rich.console import Console

from dpo_ray.tracking.console import SweepConsole
from dpo_ray.tracking.console_lines import line
from dpo_ray.tracking.console_table import bar, choose, table
from dpo_ray.tracking.progress import leader, progress
from dpo_ray.tracking.records import TrainMetrics
from dpo_ray.tracking.state import SweepState, fold


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class ClosedPipe(io.StringIO):
    def write(self, _: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


def played(records, stream):
    now = records[-1].time
    with SweepConsole("beta-1a2b3c4d", 12, stream, clock=lambda: now) as console:
        console.stage("Starting Ray ...")
        for record in records:
            console(record)
    return stream.getvalue()


def drawn(state: SweepState, rows: int, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(table(state, rows, width >= 110, now=0.0))
    return console.file.getvalue().splitlines()


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "24")
    return Terminal()


def test_without_a_terminal_each_event_is_one_stamped_line(example):
    lines = played(example, io.StringIO()).splitlines()
    assert lines[0].endswith("Starting Ray ...")
    assert all(len(text.split(" ")[0]) == len("2026-01-02") for text in lines)
    kinds = {"planned", "prepared", "trial_started", "decision", "trial_ended", "sweep_ended"}
    assert len(lines) == 1 + sum(record.kind in kinds for record in example)


def test_a_training_step_is_not_worth_a_line(example):
    state, step = fold(example), TrainMetrics(trial=0, step=5, metrics={"train/loss": 0.5})
    assert line(state, step, 12) is None


def test_a_rungs_line_has_the_numbers_and_the_verdict(example):
    text = played(example, io.StringIO())
    assert (
        "t01 at step 15/60: win rate 0.55 [0.47, 0.64], KL 0.0157, margin 0.825 nats: stops, "
        "win rate 0.552 is below the median of rung 15"
    ) in text


def test_the_end_of_a_trial_says_how_much_is_left(example):
    lines = played(example, io.StringIO()).splitlines()
    ended = [text for text in lines if "trials done" in text]
    assert ended[1].endswith("2/12 trials done, about 58 s left")
    assert ended[-1].endswith("12/12 trials done")
    failed = next(text for text in ended if "FAILED" in text)
    assert "at step 25/60: the loss is not finite at step 25" in failed


def test_a_terminal_gets_a_table_and_keeps_only_the_lines_worth_keeping(example, terminal):
    text = played(example[:-1], terminal)
    assert "t05 FAILED" in text
    assert "t00 started" not in text
    assert "12/12 trials ended" in text
    assert "best so far" in text


@pytest.mark.parametrize("count", range(1, 190, 9))
def test_every_moment_of_a_sweep_can_be_drawn_in_eighty_columns(example, count):
    state = fold(example[:count])
    rows = drawn(state, 17, 80)
    assert max(len(row) for row in rows) <= 80
    assert len(rows) <= 1 + bool(state.reference) + len(state.trials)
    for trial in state.trials.values():
        assert sum(row.startswith(trial.name) for row in rows) == 1
        assert any(f"{trial.step}/60" in row for row in rows)


def test_a_small_screen_keeps_the_running_and_the_best(example):
    running = next(
        index
        for index in range(len(example), 0, -1)
        if len(fold(example[:index]).with_status("RUNNING")) == 2
    )
    state = fold(example[:running])
    shown, hidden = choose(state, 4, leader(state))
    assert {row.number for row in state.with_status("RUNNING")} <= {row.number for row in shown}
    assert leader(state) in shown
    assert len(shown) == 4
    assert len(shown) + len(hidden) == len(state.trials)
    assert all(row.status == "COMPLETED" for row in shown if row.status != "RUNNING")
    assert drawn(state, 4, 80)[-1].strip().startswith("and ")


@pytest.mark.parametrize(
    ("step", "total", "shown"),
    [
        (0, 60, "╌" * 8),
        (15, 60, "━━" + "╌" * 6),
        (60, 60, "━" * 8),
        (70, 60, "━" * 8),
        (0, 0, "╌" * 8),
    ],
)
def test_the_bar_fills_with_the_trial(step, total, shown):
    assert bar(step, total) == shown


def test_remaining_time_counts_half_done_trials_as_halves(planned, started):
    records = [
        planned.model_copy(update={"time": 90.0}),
        started.model_copy(update={"time": 100.0}),
        TrainMetrics(trial=0, step=30, metrics={}, time=110.0),
    ]
    now = progress(fold(records), total=4, now=110.0)
    assert (now.ended, now.elapsed_s, now.per_minute) == (0, 20.0, None)
    assert now.remaining_s == pytest.approx(70.0)  # half a trial took 10 s, 3.5 remain
    assert progress(SweepState(), total=4, now=0.0).remaining_s is None


@pytest.mark.parametrize("stream", [ClosedPipe(), io.TextIOWrapper(io.BytesIO(), encoding="ascii")])
def test_a_broken_stream_never_reaches_the_sweep(example, stream):
    console = SweepConsole("x", 12, stream)
    with console:
        console.stage("Starting Ray …")
        for record in example:
            console(record)


def test_a_record_that_does_not_fit_never_reaches_the_sweep():
    SweepConsole("x", 12, io.StringIO())(TrainMetrics(trial=99, step=1, metrics={}))


def test_a_picture_that_takes_long_to_draw_is_drawn_less_often(example, terminal, monkeypatch):
    console = SweepConsole("x", 12, terminal)
    for record in example[:60]:
        console(record)
    now = time.monotonic() + 3600
    moments = iter([now, now + 0.5, now + 9.9, now + 10.1, now + 10.2])  # .5 s is .05 of 10 s
    clock = SimpleNamespace(monotonic=lambda: next(moments))
    monkeypatch.setattr("dpo_ray.tracking.console.time", clock)
    first = console._render()
    assert console._render() is first
    assert console._render() is not first


def test_the_last_picture_shows_the_end_however_long_the_one_before_took(example, terminal):
    with SweepConsole("x", 12, terminal) as console:
        for record in example[:-1]:
            console(record)
        console._drawn, console._draw_again = "an old picture", time.monotonic() + 60
    assert "12/12 trials ended" in terminal.getvalue()


def test_a_stage_is_a_bar_of_one_line_however_long_its_words(terminal):
    with SweepConsole("x", 12, terminal) as console:
        console.stage("Scoring the pairs")
        console.progress("scores 500/1,000 pairs, " + "about 2 min 05 s left " * 9, 0.5)
        console._draw_again = 0.0  # whatever was drawn just before, and however slowly
        options = console._console.options
        (drawn,) = console._console.render_lines(console._render(), options, pad=False)
    text = "".join(segment.text for segment in drawn)
    assert text[1:].startswith(" ━━━━━━━━━━╌╌╌╌╌╌╌╌╌╌  50% scores 500/1,000 pairs, about")
    assert text[0] != " "
    assert text.rstrip().endswith("…")
    assert len(text) <= 100


def test_without_a_terminal_a_long_stage_has_ever_fewer_lines():
    now = [0.0]
    console = SweepConsole("x", 12, io.StringIO(), clock=lambda: now[0])
    console.stage("Scoring the pairs")
    said = []
    for second in range(3 * 3600):
        now[0] = float(second)
        before = len(console._console.file.getvalue())
        console.progress("scores", second / (3 * 3600))
        said += [second] * (len(console._console.file.getvalue()) > before)
    assert said[:4] == [10, 20, 30, 40]
    assert 20 < len(said) < 40


def test_listening_is_cheap(example, terminal):
    with SweepConsole("x", 12, terminal) as console:
        for record in example[:20]:
            console(record)
        step = TrainMetrics(trial=0, step=5, metrics={"train/loss": 0.5})
        began = time.perf_counter()
        for _ in range(1000):
            console(step)
        assert time.perf_counter() - began < 0.5


def test_a_reader_that_leaves_ends_neither_the_process_nor_its_exit_code(example_journal):
    play = (
        "import sys, pathlib\n"
        "from dpo_ray.tracking.console import SweepConsole\n"
        "from dpo_ray.tracking.journal import read_journal\n"
        "with SweepConsole('x', 12, sys.stdout) as console:\n"
        "    for record in read_journal(pathlib.Path(sys.argv[1])): console(record)\n"
        "sys.exit(5)\n"
    )
    command = [sys.executable, "-c", play, str(example_journal)]
    sweep = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    sweep.stdout.close()
    assert sweep.stderr.read() == b""
    sweep.stderr.close()
    assert sweep.wait(30) == 5
