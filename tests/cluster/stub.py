"""A Jobs API that takes every job and calls it RUNNING for as long as it answers."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import ray

NODE = {
    "node_id": "n1",
    "node_ip": "127.0.0.1",
    "is_head_node": True,
    "state": "ALIVE",
    "state_message": None,
    "node_name": "head",
    "labels": {},
}


class JobsStub:
    """Serves on a free port for a block's length.

    `silent` makes it stop answering, `forgets` lose its jobs; `early` is how often it is asked for
    its nodes before it has any; `submitted` has what came in.
    """

    def __init__(self, host: str = "127.0.0.1", token: str | None = None, cpus: float = 8) -> None:
        self.token, self.cpus = token, cpus
        self.submitted: list[dict[str, Any]] = []
        self.silent = self.forgets = False
        self.early = 0
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(*stub.told(self.path, self.headers.get("Authorization")))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                stub.submitted.append(json.loads(body))
                self.answer(
                    200, {"job_id": "", "submission_id": stub.submitted[-1]["submission_id"]}
                )

            def answer(self, status: int, found: Any) -> None:
                body = json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer((host, 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.address = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "JobsStub":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def told(self, path: str, shown: str | None) -> tuple[int, Any]:
        """Return status and body of an answer."""
        if self.token is not None and shown != f"Bearer {self.token}":
            return 401, "Unauthorized: Missing authentication token"
        if self.silent and path.startswith("/api/jobs/"):
            return 503, "overloaded"
        if path == "/api/version":
            return 200, {"version": "4", "ray_version": ray.__version__, "ray_commit": ""}
        if path.startswith("/api/v0/nodes"):
            return 200, self._nodes()
        if path == "/api/jobs/":
            return 200, [self._details(each) for each in self.submitted]
        if path.startswith("/api/jobs/") and path.count("/") == 3 and not self.forgets:
            return 200, self._details(self.submitted[-1])
        return (200 if path.startswith("/api/packages/") else 404), {}

    def _details(self, job: dict[str, Any]) -> dict[str, Any]:
        known = {key: job[key] for key in ("submission_id", "entrypoint", "metadata")}
        return {"type": "SUBMISSION", "status": "RUNNING", **known}

    def _nodes(self) -> dict[str, Any]:
        self.early -= 1
        nodes = [] if self.early >= 0 else [{**NODE, "resources_total": {"CPU": self.cpus}}]
        count = len(nodes)
        listed = {"result": nodes, "total": count, "num_after_truncation": count}
        whole = {**listed, "num_filtered": count, "partial_failure_warning": "", "warnings": None}
        return {"result": True, "msg": "", "data": {"result": whole}}
