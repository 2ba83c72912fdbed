import os
import queue
import signal

import pytest

from dpo_ray.config.budget import BudgetConfig
from dpo_ray.errors import Interrupted
from dpo_ray.search.interruption import SIGNALS, interruptible
from dpo_ray.search.progress import Progress


@pytest.fixture
def progress():
    return Progress(BudgetConfig())


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_noted_as_a_reason_to_end(progress, number):
    with interruptible(progress):
        os.kill(os.getpid(), number)
        assert progress.signal == number.name
        with pytest.raises(Interrupted, match=f"interrupted by {number.name}"):
            progress.check()


@pytest.mark.parametrize("number", SIGNALS)
def test_the_second_signal_ends_the_sweep_where_it_stands(progress, number):
    progress.signal = number.name
    with (
        pytest.raises(Interrupted, match=f"interrupted by {number.name}, twice") as raised,
        interruptible(progress),
    ):
        os.kill(os.getpid(), number)
    assert progress.twice
    assert raised.value.at_once


def test_who_asked_once_is_not_in_that_hurry(progress):
    progress.signal = "SIGINT"
    with pytest.raises(Interrupted) as raised, interruptible(progress):
        progress.check()
    assert not raised.value.at_once


def test_the_first_signal_says_what_happens_now_and_what_a_second_one_does(progress):
    said = queue.Queue()
    with interruptible(progress, said.put):
        os.kill(os.getpid(), signal.SIGINT)
        told = said.get(timeout=10)
    assert told.startswith("Interrupted by SIGINT: no further trial begins")
    assert "Once more ends the sweep at once" in told
    assert not progress.twice


def test_an_error_without_a_signal_stays_what_it_is(progress):
    with pytest.raises(SystemError), interruptible(progress):
        raise SystemError


def test_the_handlers_of_before_are_put_back(progress):
    before = [signal.getsignal(number) for number in SIGNALS]
    with interruptible(progress):
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before
