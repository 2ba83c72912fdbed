"""A sweep as people run it, with its own Ray: begun, struck, begun again, and looked at."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from dpo_ray.plan import Plan, make_plan
from dpo_ray.tracking.journal import read_journal, read_onwards
from dpo_ray.tracking.records import AnyRecord
from dpo_ray.tracking.state import SweepState, fold
from tests.sweeping import ROOT, SMALL, arguments

BETA = "search_spaces/beta.yaml"
TWINS = "tests/faults/space.yaml"
SWEEP = Path("sweeps/local.yaml")
LOOK_S = 0.1
PATIENCE_S = 400.0
"""So long a process is waited for that hangs; what each fault may cost is for its test to say."""
FAMILY_S = 1.0
SECRETS = {
    name: f"canary-{name.lower().replace('_', '-')}-{uuid4().hex}"
    for name in (
        "HF_TOKEN",
        "MLFLOW_TRACKING_PASSWORD",
        "MLFLOW_TRACKING_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "OPENAI_API_KEY",
    )
}
"""In the environment of every sweep: none of these may come to light."""


@dataclass(frozen=True)
class Ended:
    """One process of a sweep that is over: its results on `screen`, all else in `errors`."""

    code: int
    screen: str
    errors: str
    seconds: float
    """From its start."""


@dataclass
class Sweep:
    """All lives of one sweep. `cluster` is a Ray they join; None starts one for each life."""

    store: Path
    name: str
    overrides: tuple[str, ...] = ()
    space: str = BETA
    cluster: str | None = None
    sessions: Path | None = None
    """Ray's own folder on a cluster that they are submitted to."""
    environment: dict[str, str] = field(default_factory=dict)
    small: bool = True
    outputs: Path | None = None
    """Where what its lives say is kept; None: beside the store."""
    echo: bool = True
    """What its lives say goes to this process's stderr as well, where pytest keeps it."""
    family: dict[int, psutil.Process] = field(default_factory=dict)
    """Every process that was ever seen below one of its lives."""
    said: list[str] = field(default_factory=list)
    """All outputs of all lives."""

    @property
    def folder(self) -> Path:
        """Where it writes."""
        return self.store / "sweeps" / self.name

    @property
    def journal(self) -> Path:
        """The truth about it."""
        return self.folder / "journal.jsonl"

    @property
    def records(self) -> list[AnyRecord]:
        """The journal's lines."""
        return read_journal(self.journal) if self.journal.exists() else []

    @property
    def state(self) -> SweepState:
        """What the journal says."""
        return fold(self.records)

    @property
    def plan(self) -> Plan:
        """What the same command plans."""
        settings = [*(SMALL if self.small else ()), *self.overrides]
        return make_plan(ROOT / self.space, ROOT / SWEEP, settings, self.store, self.name)

    def command(self, *options: str) -> list[str]:
        """Return what a person types."""
        words = arguments(
            self.store, self.name, *self.overrides, space=self.space, small=self.small
        )
        return [*words, *options]

    def run(self, *options: str, within_s: float = PATIENCE_S) -> Ended:
        """Run it to its end."""
        with self.begin(*options) as life:
            return life.wait(within_s)

    @contextmanager
    def begin(self, *options: str) -> Iterator["Life"]:
        """Start it, and end it with the block if it has not ended."""
        around = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
        around |= SECRETS | self.environment
        if self.cluster is not None:
            around["RAY_ADDRESS"] = self.cluster
        before = self.state.lives
        outputs = (self.outputs or self.store.parent) / f"{self.name}-outputs"
        outputs.mkdir(exist_ok=True)
        number = len(list(outputs.iterdir())) // 2
        paths = [outputs / f"{number}.{kind}" for kind in ("screen", "errors")]
        with paths[0].open("wb") as screen, paths[1].open("wb") as errors:
            process = subprocess.Popen(
                self.command(*options),
                cwd=ROOT,
                env=around,
                stdout=screen,
                stderr=errors,
                start_new_session=True,
            )
        life = Life(self, process, paths[0], paths[1], len(before))
        try:
            yield life
        finally:
            life.kill()
            self.said += [path.read_text(errors="replace") for path in paths]
            if self.echo:
                sys.stderr.write(self.said[-1])


@dataclass
class Life:
    """One process of a sweep."""

    sweep: Sweep
    process: "subprocess.Popen[bytes]"
    screen: Path
    errors: Path
    before: int
    """Lives that the journal had when this one began."""
    began: float = field(default_factory=time.monotonic)
    killed: bool = False
    _looked: float = 0.0

    @property
    def pid(self) -> int:
        """Of the driver."""
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Whether the driver still runs."""
        return self.process.poll() is None

    def until(
        self, reached: Callable[[SweepState], object], what: str, within_s: float = 180
    ) -> SweepState:
        """Return the sweep's state once it is so in this life."""
        deadline = time.monotonic() + within_s
        state, lines, offset = SweepState(), 0, 0
        while True:
            if self.sweep.journal.exists():
                records, offset = read_onwards(self.sweep.journal, offset, lines)
                lines += len(records)
                for each in records:
                    state.apply(each)
            if len(state.lives) > self.before and reached(state):
                return state
            assert self.alive, f"ended by itself before: {what}\n{self.errors.read_text()}"
            assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
            self.rest(LOOK_S)

    def rest(self, seconds: float) -> None:
        """Let time pass, and see who is there."""
        deadline = time.monotonic() + seconds
        while True:
            if time.monotonic() - self._looked >= FAMILY_S:
                self.see_family()
            left = deadline - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, LOOK_S))

    def see_family(self) -> list[Any]:
        """Note every process below the driver, and return those there are now."""
        self._looked = time.monotonic()
        try:
            found: list[Any] = psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        self.sweep.family.update({each.pid: each for each in found})
        return found

    def wait(self, within_s: float = PATIENCE_S) -> Ended:
        """Wait for its end, which must come in time."""
        deadline = time.monotonic() + within_s
        while self.alive:
            assert time.monotonic() < deadline, (
                f"no end within {within_s} s\n{self.errors.read_text()}"
            )
            self.rest(LOOK_S)
        return Ended(
            self.process.returncode,
            self.screen.read_text(),
            self.errors.read_text(),
            time.monotonic() - self.began,
        )

    def send(self, number: int) -> None:
        """Send the driver a signal."""
        self.see_family()
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill the driver alone, as the kernel does."""
        if self.alive:
            self.send(signal.SIGKILL)
            self.process.wait()
            self.killed = True


WORKER, SLOT, STAND_IN = "ray::RayTrainWorker", "ray::Slot", "ray::ResourceTrainable"
"""What Ray calls the processes that train, those that keep them, and Tune's side of a trial: by the
wrapper that Tune puts around it."""


def processes(life: Life, kind: str) -> list[Any]:
    """Return a life's processes of one kind."""
    return [each for each in life.see_family() if name_of(each).startswith(kind)]


def name_of(process: psutil.Process) -> str:
    """Return what a process calls itself; nothing, where it is gone."""
    try:
        return " ".join(process.cmdline()) or f"{process.name()}"
    except psutil.Error:
        return ""


def ends(state: SweepState) -> dict[int, tuple[object, ...]]:
    """Return what was over, with its values: none of it may change again."""
    return {
        row.number: (row.status, row.step, row.ended, [rung.metrics for rung in row.rungs])
        for row in [*state.trials.values(), *state.confirmations.values()]
        if row.status in ("COMPLETED", "STOPPED")
    }
