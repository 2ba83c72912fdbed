"""What docs/cli.md says of terminals, by a real verb in a real one."""

import os
import pty
import re
import subprocess
import sys
import threading

import pytest

from tests.conftest import ROOT

COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;\d+)*m")
CHECK = ("check", "sweeps/local.yaml", "--set", "data.limit=40")


def in_a_terminal(*words: str, **environment: str) -> str:
    """Run a verb whose streams are all one terminal, and return what that got to show."""
    ours, theirs = pty.openpty()
    known = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    shown: list[bytes] = []
    reader = threading.Thread(target=_read, args=(ours, shown))
    reader.start()
    try:
        done = subprocess.run(
            [sys.executable, "-c", "from dpo_ray.cli import app; app()", *words],
            cwd=ROOT,
            env={**known, "TERM": "xterm-256color", **environment},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            timeout=120,
        )
    finally:
        os.close(theirs)
        reader.join()
        os.close(ours)
    text = b"".join(shown).decode()
    assert done.returncode == 0, text
    return text


def _read(terminal: int, shown: list[bytes]) -> None:
    try:
        while part := os.read(terminal, 4096):
            shown.append(part)
    except OSError:  # the other end is closed
        pass


@pytest.mark.slow
def test_a_terminal_has_colours_and_none_for_who_wants_none(tmp_path):
    words = (*CHECK, "--store", str(tmp_path))
    coloured = in_a_terminal(*words)
    plain = in_a_terminal(*words, NO_COLOR="1")
    assert COLOUR.search(coloured)
    assert not COLOUR.search(plain)
    assert "rows      40 read, " in plain
