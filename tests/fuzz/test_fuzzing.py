"""What the fuzzers stand on: a hang and a blow-up are found, whatever a reader makes of them."""

import subprocess
import sys

import pytest

from dpo_ray.errors import ConfigError
from tests.fuzz import fuzzing
from tests.fuzz.fuzzing import bounded_memory, ends_well
from tests.sweeping import ROOT

MB = 1_000_000
HANG_IN_C = """
import itertools, sys
from collections import deque
from tests.fuzz import fuzzing
fuzzing.LONGEST_S = 0.2
fuzzing.ends_well(lambda: deque(itertools.repeat(0), maxlen=0))
"""


def hang_and_blame(kind):
    """Read for ever, and call whatever ends it a fault of the file."""
    try:
        while True:
            pass
    except kind as error:
        raise ConfigError("s.yaml: cannot be read") from error


@pytest.mark.parametrize("kind", [OSError, Exception, BaseException])
def test_a_hang_is_a_finding_even_where_a_reader_takes_it_for_a_bad_file(monkeypatch, kind):
    monkeypatch.setattr(fuzzing, "LONGEST_S", 0.2)
    with pytest.raises(AssertionError, match=r"no answer after 0\.2 s"):
        ends_well(lambda: hang_and_blame(kind))


def test_a_refusal_in_time_is_an_end():
    def refuse():
        raise ConfigError("s.yaml: must be a map of keys, and is empty")

    assert not ends_well(refuse)
    assert ends_well(lambda: None)


@pytest.mark.parametrize("text", ["", "Traceback (most recent call last)"])
def test_a_refusal_without_words_of_its_own_is_none(text):
    def refuse():
        raise ConfigError(text)

    with pytest.raises(AssertionError):
        ends_well(refuse)


def test_a_hang_in_c_ends_the_process_and_shows_where():
    done = subprocess.run(
        [sys.executable, "-c", HANG_IN_C], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "in ends_well" in done.stderr


def take(megabytes: int) -> None:
    """Have so much memory, and give it back."""
    with bounded_memory():
        len(b"x" * (megabytes * MB))


def test_a_blow_up_is_seen_although_an_earlier_test_had_more(monkeypatch):
    take(300)
    monkeypatch.setattr(fuzzing, "MOST_MB", 50)
    with pytest.raises(AssertionError):
        take(150)
    take(10)
