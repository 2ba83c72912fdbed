"""A real MLflow server on loopback behind a proxy that lets every call wait."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import requests

from dpo_ray.errors import TrackingUnreachable
from dpo_ray.tracking.mlflow_server import default_uri, reachable

START_S = 120.0


@contextmanager
def late_server(folder: Path, port: int, late_s: float) -> Iterator[str]:
    """Serve a store's database and yield the address at which every answer is `late_s` late."""
    with _server(folder, port), _proxy(f"http://127.0.0.1:{port}", late_s) as uri:
        yield uri


@contextmanager
def _server(folder: Path, port: int) -> Iterator[None]:
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
    places = ["--backend-store-uri", default_uri(folder), "--artifacts-destination", str(folder)]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, *places, "--port", str(port), "--workers", "1"],
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        )
        try:
            _wait(f"http://127.0.0.1:{port}")
            yield
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(30)


def _wait(uri: str) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            return reachable(uri, seconds=2)
        except TrackingUnreachable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


@contextmanager
def _proxy(behind: str, late_s: float) -> Iterator[str]:
    class Late(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            time.sleep(late_s)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name: self.headers[name] for name in ("Content-Type",) if self.headers[name]}
            answer = requests.request(
                self.command, behind + self.path, data=body, headers=headers, timeout=60
            )
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _pass_on

        def log_message(self, *_: object) -> None:
            """Calls are counted by the mirror."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Late) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{proxy.server_port}"
        proxy.shutdown()
