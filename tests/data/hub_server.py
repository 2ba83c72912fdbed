"""A Hugging Face hub on 127.0.0.1: as much of its HTTP as its client and `datasets` ask for.

One commit a repository, files in memory. Every question about a repository is noted, and the
next ones may be failed.
"""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

API = re.compile(
    r"/api/(?P<kind>models|datasets)/(?P<repo>[^/]+/[^/]+)"
    r"(?:/(?P<what>revision|tree|paths-info)/(?P<revision>[^/]+)(?:/(?P<path>.*))?)?"
)
RESOLVE = re.compile(
    r"/(?:(?P<kind>datasets)/)?(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)"
)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Repo:
    """`status` other than 200 is the answer to whoever asks about it."""

    files: dict[str, bytes]
    status: int = 200
    commit: str = COMMIT
    branches: tuple[str, ...] = ("main", "v1")


@dataclass
class Hub:
    """`repos` by kind and name; `asked` holds `METHOD path`; `failing` the next answers' status."""

    repos: dict[tuple[str, str], Repo] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    failing: list[int] = field(default_factory=list)
    url: str = ""

    def downloads(self) -> list[str]:
        """Return the paths of files that were sent, in order."""
        return [line.split("/resolve/")[1] for line in self.asked if line.startswith("GET /")
                and "/resolve/" in line]  # fmt: skip


@contextmanager
def running_hub() -> Iterator[Hub]:
    """Serve a hub for the length of the block."""
    hub = Hub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        path = unquote(url.path)
        form = self.rfile.read(int(self.headers.get("content-length", 0)))
        found = API.fullmatch(path) or RESOLVE.fullmatch(path)
        if found is None:  # the client also asks about itself
            return self._answer(404, b"")
        self.hub.asked.append(f"{self.command} {path}")
        if self.hub.failing:
            return self._answer(self.hub.failing.pop(0), b"busy")
        parts = found.groupdict()
        repo = self.hub.repos.get((parts["kind"] or "models", parts["repo"]))
        if repo is None or repo.status != 200:
            return self._refuse(repo.status if repo else 401)
        if parts["revision"] not in (None, repo.commit, *repo.branches):
            return self._answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
        if "/resolve/" in path:
            return self._file(repo, parts["path"])
        return self._answer_api(repo, parts, parse_qs(url.query) | parse_qs(form.decode()))

    do_HEAD = do_GET
    do_POST = do_GET

    def _refuse(self, status: int) -> None:
        code = "GatedRepo" if status == 403 else "RepoNotFound"
        self._answer(status, b"", {"X-Error-Code": code})

    def _answer_api(self, repo: Repo, parts: dict[str, Any], form: dict[str, list[str]]) -> None:
        entries = _entries(repo.files)
        if parts["what"] == "paths-info":
            return self._json([entry for entry in entries if entry["path"] in form["paths"]])
        if parts["what"] == "tree":
            deep = form.get("recursive", ["false"])[0].lower() == "true"
            return self._json(_below(entries, parts["path"] or "", deep))
        siblings = [{"rfilename": path} for path in repo.files]
        self._json(
            {"id": parts["repo"], "sha": repo.commit, "siblings": siblings, "private": False,
             "tags": [], "downloads": 0, "likes": 0}
        )  # fmt: skip

    def _file(self, repo: Repo, path: str) -> None:
        content = repo.files.get(path)
        commit = {"X-Repo-Commit": repo.commit}
        if content is None:
            return self._answer(404, b"", {"X-Error-Code": "EntryNotFound", **commit})
        headers = {"ETag": f'"{_entry(path, content)["oid"]}"', "Accept-Ranges": "bytes", **commit}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", ""))
        if wanted is None:
            return self._answer(200, content, headers)
        first, last = int(wanted[1]), int(wanted[2] or len(content) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        self._answer(206, content[first : last + 1], headers)

    def _json(self, value: Any) -> None:
        self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: pytest shows `hub.asked` where it matters."""


def _entries(files: dict[str, bytes]) -> list[dict[str, Any]]:
    folders = {str(folder) for path in files for folder in PurePosixPath(path).parents} - {"."}
    found = [{"type": "directory", "oid": "0" * 40, "size": 0, "path": path} for path in folders]
    found += [_entry(path, content) for path, content in files.items()]
    return sorted(found, key=lambda entry: entry["path"])


def _below(entries: list[dict[str, Any]], folder: str, deep: bool) -> list[dict[str, Any]]:
    top = PurePosixPath(folder)
    paths = {entry["path"]: PurePosixPath(entry["path"]) for entry in entries}
    return [
        entry
        for entry in entries
        if (top in paths[entry["path"]].parents if deep else paths[entry["path"]].parent == top)
    ]


def _entry(path: str, content: bytes) -> dict[str, Any]:
    oid = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    return {"type": "file", "oid": oid, "size": len(content), "path": path}
