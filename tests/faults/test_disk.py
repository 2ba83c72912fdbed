"""What befalls the disk: it is full, or what lies on it was cut off."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dpo_ray.data.trial_files import RESUME
from tests.faults.invariants import hold, nobody_is_left
from tests.faults.life import Sweep, ends

pytestmark = [pytest.mark.slow, pytest.mark.cluster_last, pytest.mark.long]
WITHIN_S = 240.0
DISK_MB = 200
SETTINGS = (
    "training.max_steps=40",
    "training.checkpoint_steps=5",
    "training.learning_rate=5.0e-4",
    "search.trials=5",
    "search.scheduler.type=none",
)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, in memory, where this machine lets us have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Leave no byte free, and return the file that takes the room."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (2**20, 2**12, 1):
            with suppress(OSError):
                while file.write(b"\0" * size):
                    pass
    assert shutil.disk_usage(folder).free == 0
    return filler


def two_done(state):
    return len(state.with_status("COMPLETED")) >= 2 and len(state.running) == 2


@pytest.mark.injects("a tmpfs without a free byte under the whole store, two trials at work")
def test_fault_05_the_disk_is_full(alone, small_disk, tmp_path, recovered):
    sweep = Sweep(small_disk / "store", "full", SETTINGS, outputs=tmp_path)
    with sweep.begin() as life:
        life.until(two_done, "two done and two at work")
        life.rest(2)
        filler = fill(small_disk)
        ended = life.wait(WITHIN_S)
    assert ended.code not in (0, 1), ended.errors
    assert "Traceback" not in ended.errors
    (error,) = [line for line in ended.errors.splitlines() if line.startswith("Error: ")]
    assert "No space left on device" in error
    nobody_is_left(sweep, agents=False)
    kept = ends(sweep.state)
    assert len(kept) >= 2
    resumable = list((sweep.folder / "trials").glob(f"*/{RESUME}*"))
    filler.unlink()
    ended = sweep.run(WITHIN_S)
    state = hold(sweep, ended, code=0, within_s=WITHIN_S, kept=kept)
    assert {row.status for row in state.trials.values()} == {"COMPLETED"}
    went_on = [r for r in sweep.records if r.kind == "trial_resumed"]
    assert not resumable or any(r.step > 0 for r in went_on)
    began = sweep.state.lives[-1].began
    recovered(next(r.time for r in sweep.records if r.kind == "train" and r.time > began) - began)


@pytest.mark.injects("the journal cut in the middle of a line, as by a power cut")
def test_fault_27_a_torn_journal(alone, place):
    sweep = Sweep(place, "torn", (*SETTINGS, "training.max_steps=16"))
    hold(sweep, sweep.run(WITHIN_S), code=0, within_s=WITHIN_S)
    text = sweep.journal.read_bytes()
    sweep.journal.write_bytes(text[: len(text) * 2 // 3])
    assert not sweep.journal.read_bytes().endswith(b"\n")
    kept = ends(sweep.state)
    assert kept
    hold(sweep, sweep.run(WITHIN_S), code=0, within_s=WITHIN_S, kept=kept)
