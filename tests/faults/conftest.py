"""The table of faults: each test says what it injects, and how long it took to recover.

With EVERY_FAULT=1, as in `make faults`, one that was not injected or not survived fails the run,
skipped ones included.
"""

import os
import re
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

ROWS = pytest.StashKey[dict[str, "Row"]]()
BEGAN = pytest.StashKey[float]()
NAMED = re.compile(r"test_fault_(\d\d)_(\w+)")
FAULTS = 28
BAR_MINUTES = 30


@dataclass
class Row:
    """One test of a fault."""

    number: int
    fault: str
    how: str
    seconds: float | None = None
    """From the blow to where everything went on; None where nothing had to be recovered."""
    outcomes: set[str] = field(default_factory=set)

    @property
    def survived(self) -> str:
        """What the table says of it."""
        if "failed" in self.outcomes:
            return "NO"
        if not self.outcomes:
            return "cut off"
        return "skipped" if "skipped" in self.outcomes else "yes"


@pytest.fixture
def recovered(request: pytest.FixtureRequest) -> Callable[[float], None]:
    """Take down how many seconds it took to recover."""
    row = request.config.stash[ROWS][function_of(request.node)]

    def note(seconds: float) -> None:
        row.seconds = seconds

    return note


@pytest.fixture(scope="module")
def alone() -> None:
    """A machine of one's own: the Ray that other tests share is shut down."""
    import ray

    ray.shutdown()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of the module's own."""
    return tmp_path_factory.mktemp("faults") / "store"


def function_of(item: pytest.Item) -> str:
    """Return the name of a test function, whatever its parameters."""
    return item.name.partition("[")[0]


def pytest_configure(config: pytest.Config) -> None:
    """Keep the table's rows with the run."""
    config.stash[ROWS], config.stash[BEGAN] = {}, time.monotonic()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin the row of a test that is named after a fault."""
    named, marker = NAMED.match(function_of(item)), item.get_closest_marker("injects")
    if named is not None and marker is not None:
        fault = named[2].replace("_", " ")
        rows = item.config.stash[ROWS]
        rows.setdefault(function_of(item), Row(int(named[1]), fault, marker.args[0]))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note how a test of a fault ended."""
    report = yield
    if row := item.config.stash[ROWS].get(function_of(item)):
        row.outcomes.add(report.outcome)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that was to survive every fault and did not, or did not try."""
    _, survived = _counted(session.config)
    if os.environ.get("EVERY_FAULT") and len(survived) < FAULTS and not session.exitstatus:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(config: pytest.Config) -> None:
    """Print the table."""
    rows = sorted(config.stash[ROWS].values(), key=lambda row: row.number)
    if rows:
        console = Console(width=140, highlight=False)
        console.print(_table(rows))
        injected, survived = _counted(config)
        rest = f"{FAULTS - len(injected)} of {FAULTS} were not injected in this run"
        minutes = (time.monotonic() - config.stash[BEGAN]) / 60
        console.print(f"{len(survived)} of {len(injected)} faults survived; {rest}.")
        console.print(f"{minutes:.1f} minutes; the bar for all of them: {BAR_MINUTES}.")


def _counted(config: pytest.Config) -> tuple[set[int], set[int]]:
    """Return the numbers of the faults that were injected, and of those that were survived."""
    rows = config.stash[ROWS].values()
    injected = {row.number for row in rows}
    return injected, injected - {row.number for row in rows if row.survived != "yes"}


def _table(rows: list[Row]) -> Table:
    table = Table(title="Faults", title_justify="left")
    for heading in ("#", "fault", "injected how", "survived", "s to recover"):
        table.add_column(heading, justify="right" if heading.startswith(("#", "s to")) else "left")
    for row in rows:
        seconds = "" if row.seconds is None else f"{row.seconds:.1f}"
        table.add_row(str(row.number), row.fault, row.how, row.survived, seconds)
    return table
