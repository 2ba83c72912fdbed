"""Whether every node sees the store: a word is written on one side and read on the other."""

import secrets
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpo_ray.errors import ConfigError

ASKED_S = 60.0
"""How long a node may take to answer: it starts a process for it."""
SEEN_S = 10.0
"""Network file systems show what another node has written after seconds."""
LOOK_S = 0.2
OLD_S = 3600.0


@dataclass(frozen=True)
class Sight:
    """What the driver has written into the store, and what a node must find there.

    Attributes:
        folder: the probe's own folder, in the store.
        word: what it says.
    """

    folder: Path
    word: str

    def trouble(self) -> str:
        """Return why this node does not share the store, or nothing."""
        file = self.folder / "driver"
        deadline = time.monotonic() + SEEN_S
        while (found := _read(file)) != self.word:
            if time.monotonic() > deadline:
                return f"{file} is not there" if found is None else f"{file} says something else"
            time.sleep(LOOK_S)
        return ""

    def answer(self, node: str) -> str:
        """Look, write back for the driver to read, and return why that failed, or nothing."""
        if blind := self.trouble():
            return blind
        try:
            (self.folder / node).write_text(self.word)
        except OSError as error:
            return f"it cannot write there: {error}"
        return ""


class Watchtower:
    """Asks every node that is there now; the answers are looked at later, so that nobody waits."""

    def __init__(self, store: Path) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._folder = store / ".probes" / secrets.token_hex(8)
        _forget_old(self._folder.parent)
        self.sight = Sight(self._folder, secrets.token_hex(16))
        self._folder.mkdir(parents=True)
        (self._folder / "driver").write_text(self.sight.word)
        self._asked: dict[str, tuple[str, Any]] = {}
        for node in ray.nodes():
            if node["Alive"]:
                there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                ask = ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=there)(_answer)
                told = ask.remote(self.sight, node["NodeID"])
                name = f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
                self._asked[node["NodeID"]] = name, told

    def refuse_blind_nodes(self) -> None:
        """Return when every node has answered, and its answer was seen here.

        Raises:
            ConfigError: a node does not share the store; the text names it, and says why.
        """
        import ray

        for node, (name, told) in self._asked.items():
            try:
                reason = ray.get(told, timeout=ASKED_S)
            except ray.exceptions.GetTimeoutError:
                reason = f"it did not say so within {ASKED_S:g} s"
            except ray.exceptions.RayError:
                continue  # it has left meanwhile; whoever takes its place is asked by the slot
            if reason := reason or self._missing(node):
                raise ConfigError(blind_node(name, reason))

    def close(self) -> None:
        """Take the probe away."""
        shutil.rmtree(self._folder, ignore_errors=True)
        with suppress(OSError):  # another sweep's probe lies there
            self._folder.parent.rmdir()

    def _missing(self, node: str) -> str:
        file, deadline = self._folder / node, time.monotonic() + SEEN_S
        while _read(file) != self.sight.word:
            if time.monotonic() > deadline:
                return f"what it writes there is not seen by the driver: {file}"
            time.sleep(LOOK_S)
        return ""


def blind_node(name: str, reason: str) -> str:
    """Return the error of a node that does not see the store."""
    return (
        f"--store: must be a directory that every node of the cluster sees, and the node {name} "
        f"does not: {reason}; name one on a shared mount"
    )


def _forget_old(folder: Path) -> None:
    """Remove the probes of drivers that were killed."""
    for probe in folder.glob("*"):
        with suppress(OSError):
            if time.time() - probe.stat().st_mtime > OLD_S:
                shutil.rmtree(probe)


def _answer(sight: Sight, node: str) -> str:
    return sight.answer(node)


def _read(file: Path) -> str | None:
    try:
        return file.read_text()
    except OSError:
        return None
