"""An MLflow server of our own for as long as somebody looks: started, awaited, ended whole."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import psutil

from dpo_ray.errors import ConfigError, TrackingUnreachable
from dpo_ray.tracking.mlflow_server import reachable

HOST = "127.0.0.1"
PORT = 5000
START_S = 180.0
LEAVE_S = 10.0
ENVIRONMENT = {
    # Its job runner is eight processes that nobody here has work for.
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
LAST_LINES = 15


def free_port(asked: int | None) -> int:
    """Return `asked` if nobody listens there; without a wish 5000, or any other that is free.

    Raises:
        ConfigError: the port that was asked for is taken.
    """
    for port in (PORT, 0) if asked is None else (asked,):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                probe.bind((HOST, port))
                return int(probe.getsockname()[1])
    raise ConfigError(f"--port {asked}: somebody listens there; leave it out to have a free one")


@contextmanager
def mlflow_server(
    uri: str, port: int, verbose: bool, check: Callable[[], None]
) -> Iterator["subprocess.Popen[bytes]"]:
    """Show the database at `uri` on 127.0.0.1 for the block's length.

    The server and its workers are a group of their own: the terminal's Ctrl-C reaches this process
    alone, which then ends them all. `check` is called while it starts.

    Raises:
        TrackingUnreachable: it ended, or did not answer, before it was ready.
    """
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri]
    command += ["--host", HOST, "--port", str(port), "--workers", "1"]
    with tempfile.TemporaryDirectory(prefix="dpo-ray-ui-") as scratch:
        log = Path(scratch) / "log"
        with log.open("wb") as file:
            output: IO[bytes] | None = None if verbose else file
            server = subprocess.Popen(
                command,
                cwd=scratch,
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr if verbose else output,
                stderr=output,
                env={**os.environ, **ENVIRONMENT},
                start_new_session=True,
            )
        try:
            _wait(server, port, log, check)
            yield server
        finally:
            end_family(server.pid)
            server.wait()


def end_family(pid: int) -> None:
    """End a process and all its descendants: asked first, and made to after ten seconds."""
    with suppress(psutil.NoSuchProcess):
        head = psutil.Process(pid)
        family = [head, *head.children(recursive=True)]
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs(family, timeout=LEAVE_S)
        for each in alive:
            with suppress(psutil.NoSuchProcess):
                each.kill()


def _wait(
    server: "subprocess.Popen[bytes]", port: int, log: Path, check: Callable[[], None]
) -> None:
    deadline = time.monotonic() + START_S
    while True:
        check()
        if server.poll() is not None:
            raise TrackingUnreachable(f"MLflow's server ended at once:\n{_end_of(log)}")
        with suppress(TrackingUnreachable):
            return reachable(f"http://{HOST}:{port}", seconds=1)
        if time.monotonic() > deadline:
            raise TrackingUnreachable(f"MLflow's server gave no answer in {START_S:g} s")
        time.sleep(0.2)


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:])
