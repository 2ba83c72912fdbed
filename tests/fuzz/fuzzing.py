"""What all fuzzers share: how many examples, hostile edits of good files, and the one verdict."""

import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


def examples(fuzzers: int) -> settings:
    """Return how many examples one of a reader's fuzzers tries: together so many as the profile.

    `make test` tries the same few hundred each time, `make fuzz` ten thousand new ones.
    """
    profile = settings.get_profile(os.environ.get("FUZZ_PROFILE", "quick"))
    return settings(profile, max_examples=-(-profile.max_examples // fuzzers))


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in the block after so long: a hang is a finding, not a wait."""

    def late(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"no answer after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def ends_well(call: Callable[[], Any]) -> bool:
    """Return whether it succeeded: an error of our own tree, with a text, is an end as well."""
    try:
        with within(LONGEST_S):
            call()
    except DpoRayError as error:
        text = str(error)
        assert text.strip()
        assert "Traceback" not in text
        return False
    return True


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def bounded_memory() -> Iterator[None]:
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
