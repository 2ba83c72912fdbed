"""What a verb says goes where it belongs, at any width, to any reader."""

import io
import json
import subprocess
import sys

import pytest

from dpo_ray.output import (
    PIPED,
    RESULT_MARK,
    MarkedLines,
    console_of,
    give_json,
    own_command,
    same_command,
    say,
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_pipe_is_wide_enough_and_a_terminal_has_its_own_width(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert console_of(io.StringIO()).width == PIPED
    monkeypatch.setenv("COLUMNS", "72")
    assert console_of(io.StringIO()).width == 72


def test_no_escape_reaches_a_pipe_and_no_colour_who_wants_none(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    piped, coloured, plain = io.StringIO(), Terminal(), Terminal()
    console_of(piped).print("x", style="bold red")
    console_of(coloured).print("x", style="red")
    monkeypatch.setenv("NO_COLOR", "1")
    console_of(plain).print("x", style="red")
    assert piped.getvalue() == "x\n"
    assert "\x1b[31m" in coloured.getvalue()
    assert "\x1b" not in plain.getvalue()


def test_a_terminals_lines_end_between_words_and_paths_stay_whole(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "30")
    path = "/a/very/long/path/that/nobody/may/cut/in/two"
    screen, pipe = Terminal(), io.StringIO()
    for stream in (screen, pipe):
        say(console_of(stream), f"  the win rate is 0.51 [0.44, 0.59], see\n  {path}")
    assert screen.getvalue().splitlines() == [
        "  the win rate is 0.51 [0.44,", "  0.59], see", f"  {path}"
    ]  # fmt: skip
    assert len(pipe.getvalue().splitlines()) == 2


def test_json_is_whole_without_secrets_and_without_numbers_that_are_none(capsys):
    facts = {"uri": "http://bob:pw@host", "kl": float("nan"), "top": float("inf"), "api_key": "x"}
    give_json({**facts, "text": ":key: [red]" + "long " * 60, "max_kl_per_token": 0.7})
    found = json.loads(capsys.readouterr().out)
    assert found["uri"] == "http://***@host"
    assert (found["kl"], found["top"], found["api_key"]) == (None, None, "***")
    assert found["text"].startswith(":key: [red]long")
    assert found["max_kl_per_token"] == 0.7


def test_a_reader_that_leaves_is_no_error():
    code = "from dpo_ray.output import results\nfor n in range(9999): results().print(n)"
    writer = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    writer.stdout.readline()
    writer.stdout.close()
    assert writer.stderr.read() == b""
    writer.stderr.close()
    assert writer.wait(30) == 0


@pytest.mark.parametrize(
    ("ran", "again"),
    [
        ("dpo-ray sweep a.yaml --name x", "dpo-ray sweep a.yaml --name x"),
        ("/w/dpo_ray/sweep.py a.yaml", "bin/python -m dpo_ray.sweep a.yaml"),
        ("dpo-ray sweep a.yaml --trials +4 --json", "dpo-ray sweep a.yaml --json"),
        ("dpo-ray sweep a.yaml --trials=+4", "dpo-ray sweep a.yaml"),
        ("dpo-ray sweep a.yaml --trials 24", "dpo-ray sweep a.yaml --trials 24"),
    ],
)
def test_the_command_that_goes_on_adds_no_trials_a_second_time(ran, again):
    assert same_command(ran.split(), "bin/python") == again


def test_the_own_command_is_found_beside_this_python_where_no_path_leads_to_it(
    tmp_path, monkeypatch
):
    (tmp_path / "bin").mkdir()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert own_command() is None
    (tmp_path / "bin" / "dpo-ray").write_text("#!/bin/sh\n")
    assert own_command() == "bin/dpo-ray"
    (tmp_path / "bin" / "dpo-ray").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert own_command() == "dpo-ray"


def test_the_command_that_goes_on_can_be_pasted():
    command = same_command(["dpo-ray", "sweep", "my space.yaml"], "python")
    assert command == "dpo-ray sweep 'my space.yaml'"


def test_in_a_job_every_line_of_results_carries_its_mark(monkeypatch, capsys):
    monkeypatch.setenv(RESULT_MARK, "result| ")
    give_json({"a": [1]})
    assert capsys.readouterr().out == (
        'result| {\nresult|   "a": [\nresult|     1\nresult|   ]\nresult| }\n'
    )


def test_a_line_that_is_written_in_parts_is_marked_once():
    stream = io.StringIO()
    marked = MarkedLines(stream, "> ")
    for part in ("one", " line\n\nand", " another\n"):
        marked.write(part)
    assert stream.getvalue() == "> one line\n> \n> and another\n"
