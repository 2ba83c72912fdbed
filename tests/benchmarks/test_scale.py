"""The arithmetic of the driver's cost, without a sweep."""

import threading
import time

import pytest
from typer.testing import CliRunner

from benchmarks.scale import app, as_table, windows
from benchmarks.scale_meter import Mark, Meter


def burn(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


class Driver:
    def outer(self) -> None:
        burn(0.1)
        self.inner()

    def inner(self) -> None:
        burn(0.2)


@pytest.fixture
def driver() -> type[Driver]:
    return type("Measured", (Driver,), {})


def test_a_part_is_charged_for_its_own_work_and_not_for_what_it_calls(driver: type[Driver]) -> None:
    meter = Meter()
    meter.wrap(driver, ["outer"], "outer")
    meter.wrap(driver, ["inner"], "inner")
    driver().outer()
    driver().inner()
    meter.mark(1)
    cpu = meter.marks[0].cpu
    assert cpu["outer"] == pytest.approx(0.1, abs=0.03)
    assert cpu["inner"] == pytest.approx(0.4, abs=0.06)


def test_a_thread_keeps_what_no_part_has_taken(driver: type[Driver]) -> None:
    meter, ready, leave = Meter(), threading.Event(), threading.Event()
    meter.wrap(driver, ["inner"], "inner")

    def work() -> None:
        burn(0.1)
        driver().inner()
        ready.set()
        leave.wait(10)

    thread = threading.Thread(target=work, name="worker")
    thread.start()
    assert ready.wait(10)
    meter.mark(1)
    leave.set()
    thread.join()
    assert meter.marks[0].cpu["thread worker"] == pytest.approx(0.1, abs=0.03)
    assert meter.marks[0].counts["MiB"] > 10


def test_windows_begin_when_every_slot_has_had_a_trial() -> None:
    marks = [Mark(n + 1, {"lines": 10.0 * n}, {"part": 0.001 * n * n}) for n in range(101)]
    found = windows(marks, slots=10, size=20)
    first, _, last = found["cpu_ms"]["part"]
    assert (first, last) == (pytest.approx(10 + 30), pytest.approx(80 + 100))
    assert found["per_trial"]["lines"] == pytest.approx([10, 10, 10])
    assert found["at_end"]["lines"] == [300, 650, 1000]
    assert as_table("driver", found, 20).row_count == 3


def test_windows_that_would_overlap_are_refused() -> None:
    refused = CliRunner().invoke(app, ["--trials", "300", "--window", "200"])
    assert refused.exit_code == 2
    assert "twice --window" in refused.output
