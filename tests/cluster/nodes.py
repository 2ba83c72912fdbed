"""A Ray cluster of two nodes on this machine, by `ray start`, with ports and a token of its own."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import requests

RAY = str(Path(sys.executable).with_name("ray"))
UP_S = 60.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Node:
    """One `ray start --block`; everything it has started ends with it."""

    def __init__(
        self,
        options: list[str],
        environment: dict[str, str],
        log: Path,
        within: Sequence[str] = (),
    ) -> None:
        ports = ("--dashboard-agent-listen-port", "--dashboard-agent-grpc-port")
        ports += ("--metrics-export-port", "--runtime-env-agent-port")
        own = [f"{name}={free_port()}" for name in ports]
        with log.open("ab") as stream:
            self.process = subprocess.Popen(
                [*within, RAY, "start", "--block", "--node-ip-address=127.0.0.1", *own, *options],
                env=environment,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    def raylet(self) -> psutil.Process:
        """The process that is the node."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return next(each for each in children if each.name() == "raylet")

    def end(self) -> None:
        """End it and all it has started, by their ids."""
        family = [psutil.Process(self.process.pid)] if self.process.poll() is None else []
        family += [each for parent in family for each in parent.children(recursive=True)]
        self.process.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs(family, timeout=15)
        for each in alive:
            each.kill()
        self.process.wait()


class TwoNodes:
    """Head and worker; each has room for one slot of the shipped sweep."""

    def __init__(self, folder: Path, cpus: float = 1) -> None:
        self.folder, self.cpus = folder, cpus
        self.token = folder / "auth_token"
        self.token.write_text(secrets.token_hex(32))
        self.token.chmod(0o600)
        self.gcs, self.page = free_port(), free_port()
        self.address = f"http://127.0.0.1:{self.page}"
        self.environment = {
            **os.environ,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.token),
            "RAY_USAGE_STATS_ENABLED": "0",
            # A node that is gone is missed in seconds, not in half a minute.
            "RAY_health_check_initial_delay_ms": "1000",
            "RAY_health_check_period_ms": "1000",
            "RAY_health_check_timeout_ms": "2000",
            "RAY_health_check_failure_threshold": "3",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        self.environment.pop("RAY_ADDRESS", None)
        head = ["--head", f"--port={self.gcs}", f"--dashboard-port={self.page}"]
        head += [
            "--dashboard-host=127.0.0.1",
            f"--num-cpus={cpus}",
            f"--ray-client-server-port={free_port()}",
        ]
        head += [f"--temp-dir={folder / 'ray'}", "--disable-usage-stats"]
        self.nodes = [Node(head, self.environment, folder / "head.log")]
        self._wait(1)
        self.add()

    def add(self, within: Sequence[str] = ()) -> None:
        """Start one more worker node, `within` another command."""
        options = [f"--address=127.0.0.1:{self.gcs}", f"--num-cpus={self.cpus}"]
        # Nodes of one machine would else unpack, and remove, the job's folder in one place.
        options += [f"--temp-dir={self.folder / f'n{len(self.nodes)}'}"]
        self.nodes.append(Node(options, self.environment, self.folder / "worker.log", within))
        self._wait(2)

    def end(self) -> None:
        for node in reversed(self.nodes):
            node.end()

    def alive(self) -> int:
        """How many nodes the head counts."""
        try:
            found = self._ask("GET", "/api/v0/nodes")
        except (requests.RequestException, ValueError):
            return 0
        nodes = ((found.get("data") or {}).get("result") or {}).get("result") or []
        return sum(each["state"] == "ALIVE" for each in nodes)

    def stop(self, job: str) -> bool:
        """What `ray job stop` asks for; whether the job was running."""
        return bool(self._ask("POST", f"/api/jobs/{job}/stop")["stopped"])

    def _ask(self, method: str, path: str) -> Any:
        headers = {"Authorization": f"Bearer {self.token.read_text()}"}
        return requests.request(method, self.address + path, headers=headers, timeout=10).json()

    def _wait(self, nodes: int) -> None:
        deadline = time.monotonic() + UP_S
        while self.alive() < nodes:
            log = self.folder / ("head.log" if nodes == 1 else "worker.log")
            assert self.nodes[-1].process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.3)
