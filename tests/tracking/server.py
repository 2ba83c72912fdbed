"""A real MLflow server on loopback, for tests."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dpo_ray.errors import TrackingUnreachable
from dpo_ray.tracking.mlflow_server import default_uri, reachable


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mlflow_server(folder: Path, port: int, wait: bool = True) -> Iterator[subprocess.Popen[bytes]]:
    """Serve the store's database in `folder`, and end with the whole process group.

    `wait=False` yields at once: it may be half a minute until it answers.
    """
    places = ["--backend-store-uri", default_uri(folder), "--artifacts-destination", str(folder)]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", *places]
    with (folder / "server.log").open("ab") as log:
        server = subprocess.Popen(
            [*command, "--port", str(port), "--workers", "1"],
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        )
        try:
            if wait:
                _wait_for(port, server, folder / "server.log")
            yield server
        finally:
            end(server)


def kill(server: subprocess.Popen[bytes]) -> None:
    """Kill a server and all its processes where they stand."""
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def end(server: subprocess.Popen[bytes]) -> None:
    """End a server and all its processes, if it still runs."""
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        assert server.poll() is None, log.read_text()
        try:
            return reachable(f"http://127.0.0.1:{port}", seconds=2)
        except TrackingUnreachable:
            time.sleep(0.5)
    raise AssertionError(log.read_text())
