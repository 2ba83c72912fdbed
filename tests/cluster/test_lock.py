"""One live process per sweep, and a dead one is in nobody's way."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dpo_ray.cluster.lock import sweep_lock
from dpo_ray.errors import SweepLocked

ROOT = Path(__file__).parents[2]
HOLDER = """
import sys, time
from pathlib import Path
from dpo_ray.cluster.lock import sweep_lock

with sweep_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "sweeps" / "nightly"


@pytest.fixture
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the sweep."""
    command = [sys.executable, "-c", HOLDER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_live_process_is_refused(holder, folder):
    with pytest.raises(SweepLocked) as caught, sweep_lock(folder):
        pass
    assert caught.value.exit_code == 6
    assert str(caught.value) == (
        f"another live process runs the sweep nightly (lock: {folder}/lock); "
        "wait for it, or choose another --name"
    )


def test_a_killed_holders_lock_is_free_at_once(holder, folder):
    holder.kill()
    holder.wait()
    with sweep_lock(folder):
        pass


def test_another_name_is_free(holder, folder):
    with sweep_lock(folder.with_name("weekly")):
        pass


def test_the_lock_is_let_go_of_after_an_error_too(folder):
    for _ in range(2):
        with pytest.raises(RuntimeError, match="the sweep broke"), sweep_lock(folder):
            raise RuntimeError("the sweep broke")
