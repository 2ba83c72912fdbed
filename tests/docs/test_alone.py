"""Documented commands that change more than the folder they are run in, each on its own."""

import json
import os
import shlex
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.docs.test_commands import PATIENCE_S, WRITING, words


def dpo_ray(folder, *arguments: str, shell: bool = False, **environment: str):
    """Run the command line in a folder, and insist that it ends well."""
    own = [sys.executable, "-c", "from dpo_ray.cli import app; app(prog_name='dpo-ray')"]
    line = [*own, *arguments]
    done = subprocess.run(
        ["bash", "-c", f"{shlex.join(line)}; exit $?"] if shell else line,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_shell_that_is_running_is_taught_to_complete(tmp_path):
    dpo_ray(tmp_path, "--install-completion", shell=True, HOME=str(tmp_path))
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any("_DPO_RAY_COMPLETE" in path.read_text(encoding="utf-8") for path in written)


@pytest.mark.slow
def test_a_cache_without_what_is_older_than_no_day_is_empty(place, tmp_path):
    shutil.copytree(place / "store" / "cache", tmp_path / "store" / "cache")
    before = json.loads(dpo_ray(tmp_path, "cache", "--json"))
    assert before["entries"]
    dpo_ray(tmp_path, "cache", "--older-than", "0", "--prune")
    assert json.loads(dpo_ray(tmp_path, "cache", "--json"))["entries"] == []


@pytest.mark.parametrize(("command", "below"), [*zip(WRITING, (".", "schema"), strict=True)])
def test_the_pages_of_keys_are_written_as_they_stand_here(tmp_path, command, below):
    (tmp_path / "docs").mkdir()
    subprocess.run(words(command), cwd=tmp_path, check=True, timeout=PATIENCE_S)
    written = [path for path in (tmp_path / "docs" / below).iterdir() if path.is_file()]
    assert written
    for path in written:
        assert path.read_bytes() == (ROOT / "docs" / below / path.name).read_bytes()
