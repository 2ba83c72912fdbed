"""One process makes an entry, the others wait, and a dead one's right is taken over."""

import subprocess
import sys
import time

import pytest

from dpo_ray.data.waiting import is_being_made, making

HOLD = """
import sys, time
from pathlib import Path
from dpo_ray.data.waiting import making
with making([Path(sys.argv[1])], lambda: None, print):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "tokens-1")],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def nothing(*_):
    pass


def test_a_second_process_waits_and_takes_over_from_a_killed_one(tmp_path, holder):
    said, asked = [], []

    def check():
        asked.append(time.monotonic())
        holder.kill()

    with making([tmp_path / "tokens-1", tmp_path / "tokens-0"], check, said.append):
        assert not is_being_made(tmp_path / "tokens-2")
    assert said == ["Waiting for another process that prepares tokens-1"]
    assert asked


def test_what_the_waiting_check_raises_ends_the_waiting(tmp_path, holder):
    def check():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), making([tmp_path / "tokens-1"], check, nothing):
        pass


def test_whether_an_entry_is_being_made_is_seen_from_outside(tmp_path, holder):
    assert is_being_made(tmp_path / "tokens-1")
    holder.kill()
    holder.wait()
    assert not is_being_made(tmp_path / "tokens-1")


def test_the_right_is_given_back_after_an_error(tmp_path):
    with pytest.raises(ValueError, match="broken"), making([tmp_path / "e"], nothing, nothing):
        raise ValueError("broken")
    with making([tmp_path / "e"], nothing, nothing):
        pass
