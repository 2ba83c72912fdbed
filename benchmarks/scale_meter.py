"""Where a process spends its CPU time while a count goes up: by function and by thread."""

import functools
import os
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass(frozen=True)
class Mark:
    """Totals since the start, when so many trials had ended: CPU seconds by part, and counts."""

    trials: int
    counts: dict[str, float]
    cpu: dict[str, float]


@dataclass
class Meter:
    """Adds up CPU seconds of wrapped functions, each without the wrapped ones it calls."""

    marks: list[Mark] = field(default_factory=list)
    _spent: Counter[tuple[str, str]] = field(default_factory=Counter)
    _open: threading.local = field(default_factory=threading.local)
    _threads: dict[str, float] = field(default_factory=dict)

    def wrap(self, owner: type, names: Iterable[str], part: str) -> None:
        """Count what these methods of a class spend, in whatever thread they are called."""
        for name in names:
            setattr(owner, name, self._timed(getattr(owner, name), part))

    def mark(self, trials: int, **counts: float) -> None:
        """Note the totals now. What a thread spent outside wrapped functions has its own part."""
        threads = self._threads | _by_thread()  # those that have ended have spent it all the same
        self._threads = threads
        inside: Counter[str] = Counter()
        cpu: dict[str, float] = {}
        for (thread, part), seconds in list(self._spent.items()):
            inside[thread] += seconds
            cpu[part] = cpu.get(part, 0.0) + seconds
        for thread, seconds in threads.items():
            cpu[f"thread {thread}"] = seconds - inside[thread]
        cpu["process"] = time.process_time()
        cpu["other threads"] = cpu["process"] - sum(threads.values())
        memory = {"MiB": _resident_mib(), "wall": time.monotonic()}
        self.marks.append(Mark(trials, counts | memory, cpu))

    def _timed(self, function: Any, part: str) -> Any:
        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            outer = getattr(self._open, "inner", 0.0)
            self._open.inner, began = 0.0, time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                took = time.thread_time() - began
                self._spent[_name(threading.current_thread()), part] += took - self._open.inner
                self._open.inner = outer + took

        return timed


def _by_thread() -> dict[str, float]:
    """CPU seconds of each Python thread by its name."""
    return {
        _name(thread): time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
        for thread in threading.enumerate()
        if thread.ident is not None and thread.is_alive()
    }


def _name(thread: threading.Thread) -> str:
    """A thread's name; its class, as rich's _RefreshThread, where it was given none."""
    return type(thread).__name__ if thread.name.startswith("Thread-") else thread.name


def _resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_MIB
