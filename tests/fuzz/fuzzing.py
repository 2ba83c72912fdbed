"""What all fuzzers share: how many examples, hostile edits of good files, and the one verdict."""

import faulthandler
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from dpo_ray.errors import DpoRayError

CALM = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("quick", max_examples=300, derandomize=True, **CALM)
settings.register_profile("fuzz", max_examples=10_000, print_blob=True, **CALM)
EDITS = ("cut", "double", "move", "replace", "replace", "put in", "end here")
LONGEST_S = 20.0
MOST_MB = 600
"""What a whole run of a fuzzer may add to this process's memory at its peak."""
screen = sys.stderr
"""Where a hang in C is told of; conftest.py opens the real one, which pytest hides in a file."""


def examples(fuzzers: int) -> settings:
    """Return how many examples one of a reader's fuzzers tries: together so many as the profile.

    `make test` tries the same few hundred each time, `make fuzz` ten thousand new ones.
    """
    profile = settings.get_profile(os.environ.get("FUZZ_PROFILE", "quick"))
    return settings(profile, max_examples=-(-profile.max_examples // fuzzers))


class Hung(BaseException):
    """No answer in time: no Exception, so that no reader takes it for a fault of its file."""


@dataclass
class Alarm:
    """Whether it rang, whatever was made of what it raised."""

    rang: bool = False


@contextmanager
def within(seconds: float) -> Iterator[Alarm]:
    """Raise Hung in the block after so long: a hang is a finding, not a wait.

    C code that never comes back to Python hears no alarm: after three times as long the whole
    process ends, with a traceback of every thread on the screen.
    """
    alarm = Alarm()

    def late(number: int, frame: FrameType | None) -> None:
        alarm.rang = True
        raise Hung(f"no answer after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, late)
    faulthandler.dump_traceback_later(3 * seconds, exit=True, file=screen)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield alarm
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, before)


def ends_well(call: Callable[[], Any]) -> bool:
    """Return whether it succeeded: an error of our own tree, with a text, is an end as well."""
    alarm, refusal = Alarm(), None
    try:
        with within(LONGEST_S) as alarm:
            call()
    except DpoRayError as error:
        refusal = str(error)
    except Hung:
        pass  # told below, by an assertion: Hypothesis looks for the smallest file that fails one
    assert not alarm.rang, f"no answer after {LONGEST_S:g} s"
    assert refusal is None or (refusal.strip() and "Traceback" not in refusal), refusal
    return refusal is None


def peak_mb() -> float:
    """Return the most memory this process has had since `forget_peak`."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def forget_peak() -> None:
    """Have the kernel count anew: an earlier test of this process may have had more than all ours.

    See /proc/pid/clear_refs in proc(5).
    """
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


@contextmanager
def bounded_memory() -> Iterator[None]:
    forget_peak()
    before = peak_mb()
    yield
    assert peak_mb() - before < MOST_MB


@st.composite
def edited(draw: st.DrawFn, good: bytes, words: tuple[bytes, ...]) -> bytes:
    """Return a good file after one to six edits: bytes cut, doubled, moved, replaced or put in."""
    data = good
    for _ in range(draw(st.integers(1, 6))):
        begin = draw(st.integers(0, len(data)))
        end = min(len(data), begin + draw(st.integers(0, 40)))
        other = draw(st.integers(0, len(data)))
        put = draw(st.sampled_from(words) | st.binary(max_size=8))
        data = {
            "cut": data[:begin] + data[end:],
            "double": data[:end] + data[begin:],
            "move": data[:other] + data[begin:end] + data[other:],
            "replace": data[:begin] + put + data[end:],
            "put in": data[:begin] + put + data[begin:],
            "end here": data[:begin],
        }[draw(st.sampled_from(EDITS))]
    return data
