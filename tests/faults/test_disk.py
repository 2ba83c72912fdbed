"""What befalls the disk: it is full, or what lies on it was cut off."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from dpo_ray.data.trial_files import RESUME
from tests.faults.invariants import hold
from tests.faults.leftovers import nobody_is_left
from tests.faults.life import PATIENCE_S, WORKER, Life, Sweep, ends, processes
from tests.sweeping import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.cluster_last, pytest.mark.long]
FULL_S, WITHIN_S = 90.0, 240.0
DISK_MB = 200
SETTINGS = (
    "training.max_steps=80",
    "training.batch_size=4",
    "training.checkpoint_steps=5",
    "training.learning_rate=5.0e-4",
    "search.trials=5",
    "search.scheduler.type=none",
)
INSIDE = "FAULTS_MAY_MOUNT"
"""Set in a namespace of our own, where a user who is not root may mount as well."""
NAMESPACE = ("unshare", "--map-root-user", "--mount")


def mount(folder: Path, *within: str) -> "subprocess.CompletedProcess[str]":
    """Mount a file system of its own, in memory, at a folder."""
    command = [*within, "mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path | None]:
    """A small file system; None where only a namespace of one's own may have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = mount(folder)
    if done.returncode:
        assert INSIDE not in os.environ, done.stderr
        if (inside := mount(folder, *NAMESPACE)).returncode:
            pytest.skip(f"nothing can be mounted here: {done.stderr} {inside.stderr}")
        yield None
        return
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def run_inside(request: pytest.FixtureRequest) -> None:
    """Run the same test where one may mount: this process does not see what is mounted there."""
    test = f"{request.node.path}::{request.node.name}"
    words = [sys.executable, "-m", "pytest", "-m", "injects", "-p", "no:cacheprovider", test]
    around = os.environ | {INSIDE: "1"}
    around.pop("EVERY_FAULT", None)
    subprocess.run([*NAMESPACE, *words], cwd=ROOT, env=around, check=True, timeout=2 * PATIENCE_S)


def fill(filler: Path) -> None:
    """Leave no byte free."""
    with filler.open("ab", buffering=0) as file:
        for size in (2**20, 2**12, 1):
            with suppress(OSError):
                while file.write(b"\0" * size):
                    pass


def in_the_middle(state):
    """Two trials are done, and others have a few checkpoints behind them and some to come."""
    return len(state.with_status("COMPLETED")) >= 2 and any(
        10 <= row.step <= 60 for row in state.running
    )


@contextmanager
def frozen(life: Life) -> Iterator[dict[Path, str]]:
    """Stop all workers for the block's length; yield what trials would go on from.

    They are not stopped while one writes a checkpoint.
    """
    trials = life.sweep.folder / "trials"
    workers = processes(life, WORKER)
    while True:
        for each in workers:
            each.send_signal(signal.SIGSTOP)
        found = checkpoints(life.sweep)
        if found and not list(trials.glob(f"*/.{RESUME}*")):
            break
        for each in workers:
            each.send_signal(signal.SIGCONT)
        life.rest(0.05)
        assert life.alive
    yield found
    for each in workers:
        each.send_signal(signal.SIGCONT)


def checkpoints(sweep: Sweep) -> dict[Path, str]:
    """Return the checkpoints that there are to go on from, each with the hash of its bytes."""
    return {folder: digest(folder) for folder in (sweep.folder / "trials").glob(f"*/{RESUME}*")}


def digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    content = hashlib.sha256()
    for path in files:
        content.update(path.name.encode() + path.read_bytes())
    return content.hexdigest()


@pytest.mark.injects("a tmpfs without a free byte under the whole store, two trials at work")
def test_fault_05_the_disk_is_full(alone, small_disk, request, tmp_path, recovered):
    if small_disk is None:
        run_inside(request)
        return
    sweep = Sweep(small_disk / "store", "full", SETTINGS, outputs=tmp_path)
    filler = small_disk / "filler"
    with sweep.begin() as life:
        life.until(in_the_middle, "two done and one with checkpoints")
        with frozen(life) as before:
            fill(filler)
        full = time.monotonic()
        while life.alive and time.monotonic() - full < PATIENCE_S:
            fill(filler)  # what is removed meanwhile makes no room
            life.rest(0.1)
        ended = life.wait(0)
    assert time.monotonic() - full < FULL_S
    assert ended.code == 9, ended.errors
    assert "Traceback" not in ended.errors
    (error,) = [line for line in ended.errors.splitlines() if line.startswith("Error: ")]
    assert "No space left on device" in error
    nobody_is_left(sweep, agents=False)
    assert checkpoints(sweep) == before, "what trials go on from has changed"
    kept = ends(sweep.state)
    assert len(kept) >= 2
    filler.unlink()
    ended = sweep.run()
    state = hold(sweep, ended, code=0, within_s=WITHIN_S, kept=kept)
    assert {row.status for row in state.trials.values()} == {"COMPLETED"}
    steps = {int(folder.name.removeprefix(RESUME)) for folder in before}
    assert steps == {r.step for r in sweep.records if r.kind == "trial_resumed" and r.step > 0}
    began = sweep.state.lives[-1].began
    recovered(next(r.time for r in sweep.records if r.kind == "train" and r.time > began) - began)


@pytest.mark.injects("the journal cut in the middle of a line, as by a power cut")
def test_fault_27_a_torn_journal(alone, place):
    sweep = Sweep(place, "torn", (*SETTINGS, "training.max_steps=16"))
    hold(sweep, sweep.run(), code=0, within_s=WITHIN_S)
    text = sweep.journal.read_bytes()
    after = text.index(b"\n", len(text) * 2 // 3) + 1
    sweep.journal.write_bytes(text[: after + (text.index(b"\n", after) - after) // 2])
    kept = ends(sweep.state)
    assert kept
    hold(sweep, sweep.run(), code=0, within_s=WITHIN_S, kept=kept)
