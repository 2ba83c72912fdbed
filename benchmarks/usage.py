"""CPU seconds and memory of a process and all that descend from it, by looking now and then."""

from dataclasses import dataclass

import psutil

CPU_EVERY_S, MEMORY_EVERY_S = 0.5, 2.0
MIB = 2**20


@dataclass(frozen=True)
class Usage:
    """What a tree of processes used.

    `cpu_s` is user and system time as last seen of each process, so up to half a second of each
    is missing. `peak_mib` is the largest sum of their PSS (a page that n processes share counts
    1/n in each) at one look.
    """

    cpu_s: float
    peak_mib: float


class TreeWatch:
    """Follows a process's descendants, those that have lost their parent included."""

    def __init__(self, root: int) -> None:
        self._alive = {root: psutil.Process(root)}
        self._cpu_s: dict[psutil.Process, float] = {}
        self._peak = 0.0

    @property
    def usage(self) -> Usage:
        """What was seen so far."""
        return Usage(sum(self._cpu_s.values()), self._peak / MIB)

    def look(self, *, memory: bool) -> None:
        """Note CPU times and, as that costs more, memory if asked to."""
        self._find()
        total = 0.0
        for process in list(self._alive.values()):
            try:
                times = process.cpu_times()
                self._cpu_s[process] = times.user + times.system
                total += _pss(process) if memory else 0.0
            except psutil.Error:
                continue  # it has just ended
        self._peak = max(self._peak, total)

    def kill(self) -> None:
        """End everything that is left of the tree."""
        self._find()
        for process in self._alive.values():
            try:
                process.kill()
            except psutil.Error:
                continue

    def _find(self) -> None:
        self._alive = {pid: each for pid, each in self._alive.items() if each.is_running()}
        parents = {each.pid: each for each in psutil.process_iter(["ppid"])}
        found = True
        while found:
            found = False
            for pid, process in parents.items():
                if pid not in self._alive and process.info["ppid"] in self._alive:
                    self._alive[pid], found = process, True


def _pss(process: psutil.Process) -> float:
    memory = process.memory_full_info()
    return float(getattr(memory, "pss", memory.uss))
