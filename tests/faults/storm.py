"""One sweep under a plan of blows, life after life, and its server that always comes back."""

import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil

from dpo_ray.errors import ClusterUnreachable, TrackingUnreachable
from tests.faults.blows import Blow, Victim
from tests.faults.life import SLOT, STAND_IN, WORKER, Ended, Life, Sweep, ends, processes
from tests.tracking.server import kill, mlflow_server

NOBODY_S = 20.0
"""So long a blow waits for somebody to strike: workers may be on their way."""
LOOK_S = 1.0
KINDS: dict[Victim, str] = {"worker": WORKER, "slot": SLOT, "stand-in": STAND_IN}
AGAIN = (TrackingUnreachable.exit_code, ClusterUnreachable.exit_code)
"""Begun while the server was on its way back, or trials were lost with their stand-ins before they
began: it says so, and the same command goes on."""


class Server:
    """An MLflow server that may be killed, and then comes back by itself."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder, self._port = folder, port
        self._open = ExitStack()

    def __enter__(self) -> "Server":
        self._process = self._open.enter_context(mlflow_server(self._folder, self._port))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def strike(self) -> None:
        """Kill it, and start it again without waiting for it."""
        kill(self._process)
        again = mlflow_server(self._folder, self._port, wait=False)
        self._process = self._open.enter_context(again)


class Chaos:
    """One sweep and all that befalls it."""

    def __init__(self, sweep: Sweep, server: Server, blows: list[Blow], deadline_s: float) -> None:
        self._sweep, self._server, self._blows = sweep, server, blows
        self._deadline_s = deadline_s
        self.struck: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self.kept: dict[int, tuple[object, ...]] = {}
        """What was over when a life of the driver ended."""
        self.seconds = 0.0

    def go(self) -> Ended:
        """Run the sweep to its end, life after life."""
        began = time.monotonic()
        waiting = list(self._blows)
        while True:
            with self._sweep.begin() as life:
                while life.alive and waiting:
                    left = waiting[0].at_s - (time.monotonic() - began)
                    if left > 0:
                        life.rest(min(left, LOOK_S))
                    else:
                        self._strike(life, waiting.pop(0))
                if not (killed := life.killed):
                    ended = life.wait(began + self._deadline_s - time.monotonic())
            self.seconds = time.monotonic() - began
            self._compare()
            if not killed and ended.code not in AGAIN:
                self.missed.update(blow.victim for blow in waiting)
                return ended
            assert self.seconds < self._deadline_s, f"no end after {self.seconds:.0f} s"

    def _compare(self) -> None:
        """See that what was over before is so still, with its values."""
        now = ends(self._sweep.state)
        assert {number: now.get(number) for number in self.kept} == self.kept
        self.kept = now

    def _strike(self, life: Life, blow: Blow) -> None:
        if blow.victim == "driver":
            life.kill()
        elif blow.victim == "server":
            self._server.strike()
        elif not self._end_one(life, KINDS[blow.victim], blow.pick):
            self.missed[blow.victim] += 1
            return
        self.struck[blow.victim] += 1

    def _end_one(self, life: Life, kind: str, pick: float) -> bool:
        """Kill one of its processes of a kind; False if there is none for a long time."""
        deadline = time.monotonic() + NOBODY_S
        while life.alive and time.monotonic() < deadline:
            found = sorted(processes(life, kind), key=lambda each: each.pid)
            if found:
                with suppress(psutil.NoSuchProcess):
                    found[int(pick * len(found))].kill()
                    return True
            life.rest(1)
        return False
