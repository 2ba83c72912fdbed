"""Who listens, and what Ray's open counters say to whoever asks, while a sweep runs."""

import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import psutil
import requests

REPORT_S = 1.0
"""How often Ray is told to report, by this variable in its environment."""
REPORTS = {"RAY_metrics_report_interval_ms": str(int(1000 * REPORT_S)),
           "REPORTER_UPDATE_INTERVAL_MS": str(int(1000 * REPORT_S))}  # fmt: skip


def without_ray() -> dict[str, str]:
    """Return this process's environment less what a first user does not have."""
    return {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}


def listening(sweep: psutil.Process) -> dict[str, set[tuple[str, int]]]:
    """Return the sockets of all its processes, by what they are."""
    found: dict[str, set[tuple[str, int]]] = {}
    for each in sweep.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            kind = next((part for part in each.cmdline() if "dashboard.py" in part), each.name())
            found.setdefault(Path(kind).name, set()).update(sockets(each))
    return found


def sockets(process: psutil.Process) -> set[tuple[str, int]]:
    found = process.net_connections("tcp")
    return {(each.laddr.ip, each.laddr.port) for each in found if each.status == "LISTEN"}


def ports_of(whole: psutil.Process) -> set[int]:
    """Return the ports that all its processes listen on; none once it has ended."""
    with suppress(psutil.NoSuchProcess):
        return {port for found in listening(whole).values() for _, port in found}
    return set()


class Scraper:
    """Asks every port for its counters, for the block's length, and keeps each line with a word.

    `pages` counts the answers that were counters in Prometheus' form, `seconds` how long was asked.
    """

    def __init__(self, ports: Callable[[], Iterable[int]], word: str) -> None:
        self.lines: set[str] = set()
        self.pages, self.seconds = 0, 0.0
        self._ports, self._word = ports, word
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask_on, daemon=True)

    def __enter__(self) -> "Scraper":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _ask_on(self) -> None:
        began = time.monotonic()
        while not self._ended.wait(REPORT_S / 2):
            for port in self._ports():
                self._read(port)
            self.seconds = time.monotonic() - began

    def _read(self, port: int) -> None:
        try:
            text = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=1).text
        except requests.RequestException:
            return
        self.pages += "# HELP" in text
        self.lines |= {line for line in text.splitlines() if self._word in line}
