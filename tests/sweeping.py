"""`python -m dpo_ray.sweep` as people run it: a process, its screen, its exit code, its journal."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from dpo_ray.tracking.journal import read_journal
from dpo_ray.tracking.state import SweepState, fold

ROOT = Path(__file__).parents[1]
FIRST = [sys.executable, "-m", "dpo_ray.sweep"]
SMALL = (
    "training.max_steps=8",
    "training.logging_steps=1",
    "evaluation.prompts=16",
    "evaluation.max_new_tokens=12",
    "evaluation.at=[0.5, 1.0]",
    "confirm=null",
)
"""Overrides that make a trial of the shipped sweep last a second or two."""


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


def run_to_the_end(command: list[str], cluster: str, folder: Path, timeout_s: float) -> Command:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "RAY_ADDRESS": cluster},
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    return Command(done.returncode, done.stdout, done.stderr, folder)
