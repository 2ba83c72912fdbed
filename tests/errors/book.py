"""A situation, what it does, and how its error is written into the golden file."""

import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from typer.testing import CliRunner

from dpo_ray.cli import app
from dpo_ray.config import rules
from dpo_ray.errors import DpoRayError
from dpo_ray.schedule import app as schedule_app
from tests.sweeping import ROOT


@dataclass
class Place:
    """A user's folder, which is the working directory, with the shipped files in it."""

    folder: Path
    patch: pytest.MonkeyPatch

    def write(self, name: str, content: str | bytes) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return name


@dataclass(frozen=True)
class Situation:
    """`do` runs a command and returns its words, or calls a function that raises."""

    title: str
    do: Callable[[Place], "Said | object"]


@dataclass(frozen=True)
class Said:
    """What a person typed, and what came."""

    typed: str
    code: int
    text: str


@dataclass
class Chapter:
    """Situations under one heading."""

    name: str
    situations: list[Situation] = field(default_factory=list)

    def when(self, title: str) -> Callable[[Callable[[Place], object]], None]:
        """Add what the decorated function does."""

        def add(do: Callable[[Place], object]) -> None:
            self.situations.append(Situation(title, do))

        return add


def command(*words: str) -> Said:
    """Run a verb of `dpo-ray`, or of the schedule's command, in this process."""
    own = words[0] == "dpo-ray"
    found = CliRunner().invoke(app if own else schedule_app, list(words[1 if own else 3 :]))
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    assert found.exit_code, f"{shlex.join(words)} was not refused"
    return Said(shlex.join(words), found.exit_code, found.stderr)


def dry_run(*more: str, space: str = "search_spaces/beta.yaml") -> Said:
    return command("dpo-ray", "sweep", space, "--dry-run", *more)


def happens(situation: Situation, place: Place) -> Said:
    """Make it happen."""
    try:
        found = situation.do(place)
    except DpoRayError as error:
        return Said("", error.exit_code, str(error))
    assert isinstance(found, Said), f"{situation.title}: nothing was refused"
    return found


@contextmanager
def watched(patch: pytest.MonkeyPatch) -> Iterator[set[tuple[str, int]]]:
    """Note file and line of whoever words an error, in the block."""
    noted: set[tuple[str, int]] = set()
    make = rules.PydanticCustomError

    def note(frame: FrameType | None) -> None:
        assert frame is not None
        file = Path(frame.f_code.co_filename)
        if file.is_relative_to(ROOT):
            noted.add((str(file.relative_to(ROOT)), frame.f_lineno))

    def noting(self: DpoRayError, *arguments: object) -> None:
        note(sys._getframe(1))
        Exception.__init__(self, *arguments)

    def rule(*arguments: Any) -> Any:
        note(sys._getframe(2))
        return make(*arguments)

    patch.setattr(DpoRayError, "__init__", noting, raising=False)
    patch.setattr(rules, "PydanticCustomError", rule)
    yield noted


def plain(text: str, folder: Path) -> str:
    """Take out of a text what differs from machine to machine."""
    known = {
        str(folder): "HERE",
        sys.executable: "PYTHON",
        str(ROOT): "PROJECT",
        str(Path("~").expanduser() / ".cache"): "CACHE",
    }
    for place, name in known.items():
        text = text.replace(place, name)
    text = re.sub(r"127\.0\.0\.1:\d{4,5}", "127.0.0.1:PORT", text)
    text = re.sub(r"--port \d{5}", "--port PORT", text)
    text = re.sub(r"/tmp/[\w.-]+(/[\w.-]+)*", "TMP", text)
    text = re.sub(r"0x[0-9a-f]{6,}", "0xADDRESS", text)
    return re.sub(r"this machine has \d+;", "this machine has SOME;", text).rstrip()


def page(chapters: Sequence[tuple[str, list[tuple[str, Said]]]]) -> str:
    """Write the golden file."""
    lines = [
        "# Every error, and the situation that makes it",
        "",
        "Written by `GOLDEN=write python -m pytest tests/errors`; read it aloud before committing.",
        "Each has its rule, the value, what is allowed, and where.",
    ]
    for name, entries in chapters:
        lines += ["", f"## {name}"]
        for title, said in entries:
            ways = [f"`{said.typed}`"] * bool(said.typed)
            ways += [f"exit code {said.code}"] * (said.code > 0)
            how = f" ({', '.join(ways)})" if ways else ""
            lines += ["", f"**{title}**{how}", "", "```text"]
            lines += [*said.text.split("\n"), "```"]
    return "\n".join(lines) + "\n"


def in_folder(folder: Path, patch: pytest.MonkeyPatch) -> Place:
    """Make a user's folder with links to the shipped files, and go there."""
    for name in ("search_spaces", "sweeps"):
        os.symlink(ROOT / name, folder / name)
    patch.chdir(folder)
    patch.setenv("COLUMNS", "100")
    for variable in ("RAY_ADDRESS", "HF_TOKEN"):
        patch.delenv(variable, raising=False)
    return Place(folder, patch)
