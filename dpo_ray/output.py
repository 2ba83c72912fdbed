"""Where a verb's words go: results to stdout, for people or machines; messages to stderr."""

import io
import json
import os
import shlex
import shutil
import sys
import textwrap
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, Any, cast

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from dpo_ray.config.redaction import redact, redact_command

AsJson = Annotated[
    bool, typer.Option("--json", help="The result as one JSON object, for machines.")
]
Verbose = Annotated[
    bool, typer.Option("--verbose", help="Let Ray, Optuna, transformers and MLflow speak, too.")
]
RESULT_MARK = "DPO_RAY_RESULT_MARK"
"""In the environment of a job, whose log has results and messages in one: what begins a line of
results there."""
AGAIN = "DPO_RAY_AGAIN"
"""The same: the command that whoever submitted it goes on with."""
PIPED = 120
"""Columns of a file or pipe, which has no width of its own."""


class LastingConsole(Console):
    """rich ends the process when a pipe's reader is gone; a verb goes on without its reader."""

    def on_broken_pipe(self) -> None:
        """Say nothing from here on, and let the interpreter's own last flush succeed."""
        self.quiet = True
        with suppress(Exception):
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.file.fileno())


class MarkedLines(io.TextIOBase):
    """Writes to `stream` and begins each line with `mark`."""

    def __init__(self, stream: IO[str], mark: str) -> None:
        self._stream, self._mark, self._fresh = stream, mark, True

    def write(self, text: str) -> int:
        """Write whole lines at once: another stream may go to the same file."""
        parts = text.splitlines(keepends=True)
        marks = [self._fresh, *(part.endswith("\n") for part in parts)]
        marked = zip(marks, parts, strict=False)
        self._stream.write("".join(f"{self._mark * fresh}{part}" for fresh, part in marked))
        self._fresh = marks[-1]
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()


@dataclass(frozen=True)
class Voice:
    """How a sweep speaks: what it found goes to `results`, all else to `messages`."""

    results: Console
    messages: Console
    as_json: bool = False
    verbose: bool = False
    again: str = ""
    """The command that goes on with it."""


class _Rate(ProgressColumn):
    """`120/s`, nothing before it is known."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.3g}/s" if task.speed else "")


def results() -> Console:
    """The console of what was asked for."""
    mark = os.environ.get(RESULT_MARK)
    marked = sys.stdout if mark is None else cast(IO[str], MarkedLines(sys.stdout, mark))
    return console_of(marked)


def messages() -> Console:
    """The console of what the person should know meanwhile."""
    return console_of(sys.stderr)


def console_of(stream: IO[str]) -> Console:
    """Return a console as wide as its terminal; COLUMNS says another width, a pipe has 120."""
    width = None if stream.isatty() or os.environ.get("COLUMNS") else PIPED
    return LastingConsole(file=stream, width=width, emoji=False)


def counting() -> Progress:
    """A bar on stderr with counts, rate and remaining time; it leaves nothing behind."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(20),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(compact=True),
        console=messages(),
        transient=True,
    )


def say(console: Console, text: str, style: str | None = None) -> None:
    """Print a text as it is: a terminal's lines end between words, and no path is cut in two."""
    if console.is_terminal:
        text = "\n".join(_wrapped(line, console.width) for line in text.split("\n"))
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True, crop=False)


def _wrapped(line: str, width: int) -> str:
    if " " not in line.strip():
        return line
    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(
        line,
        width,
        subsequent_indent=indent,
        replace_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )


def same_command(arguments: Sequence[str], python: str) -> str:
    """Return the command that is running as it can be pasted; it goes on with the same sweep.

    `arguments` as in `sys.argv`. What --trials +N has added once stays asked for, so it is left
    out; a secret is to be typed again.
    """
    program, *rest = arguments
    name = Path(program).name
    short = name if shutil.which(name) == program else program
    own = [python, "-m", "dpo_ray.sweep"] if name == "sweep.py" else [short]
    kept, words = [], iter(rest)
    for word in words:
        if word == "--trials" and (number := next(words, "")).startswith("+"):
            continue
        if word == "--trials":
            kept += [word, number]
        elif not word.startswith("--trials=+"):
            kept.append(word)
    return shlex.join(redact_command([*own, *kept]))


def this_python() -> str:
    """This Python, from here where it lies below: `.venv/bin/python`."""
    return _from_here(Path(sys.executable))


def own_command() -> str | None:
    """The `dpo-ray` to be typed: found by its name, or beside this Python; None without either."""
    if shutil.which("dpo-ray"):
        return "dpo-ray"
    beside = Path(sys.executable).with_name("dpo-ray")
    return _from_here(beside) if beside.is_file() else None


def _from_here(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def give_json(facts: dict[str, Any]) -> None:
    """Print a result as JSON, without secrets; a number that is none is null."""
    text = json.dumps(_plain(redact(facts)), indent=2, ensure_ascii=False)
    results().print(text, markup=False, highlight=False, soft_wrap=True, crop=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return str(value) if isinstance(value, Path) else value
