"""The command as people run it: a process, its screen, its exit code, what it left behind."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from dpo_ray.tracking.journal import read_journal
from dpo_ray.tracking.state import SweepState, fold
from tests.conftest import ROOT, SMALL

FIRST = [sys.executable, "-m", "dpo_ray.sweep"]


@dataclass
class Command:
    """A finished `python -m dpo_ray.sweep`: its results on `screen`, all else in `errors`."""

    code: int
    screen: str
    errors: str
    folder: Path

    @property
    def state(self) -> SweepState:
        """What the journal says."""
        return fold(read_journal(self.folder / "journal.jsonl"))


def arguments(store: Path, name: str, *overrides: str, space: str, small: bool) -> list[str]:
    settings = [*(SMALL if small else ()), *overrides]
    options = [part for setting in settings for part in ("--set", setting)]
    return [*FIRST, space, "--store", str(store), "--name", name, *options]


@pytest.fixture(scope="session")
def run(store: Path, cluster: str) -> Callable[..., Command]:
    """Run a sweep to its end, on the shared cluster and in the shared store."""

    def run_it(
        name: str,
        *overrides: str,
        space: str = "search_spaces/beta.yaml",
        small: bool = True,
        timeout_s: float = 240,
    ) -> Command:
        command = arguments(store, name, *overrides, space=space, small=small)
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "RAY_ADDRESS": cluster},
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        return Command(done.returncode, done.stdout, done.stderr, store / "sweeps" / name)

    return run_it
