"""A language model on 127.0.0.1: as much of the chat completions API as a judge asks for.

What it answers is a function of the question; whatever reaches it is noted.
"""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Question:
    """One call: `a` and `b` are the answers to `prompt`, `number` counts calls from 1."""

    number: int
    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def texts(self) -> dict[str, Any]:
        """The `inputs` and `outputs` of MLflow's message."""
        decoder, text = json.JSONDecoder(), self.body["messages"][-1]["content"]
        return {
            name: decoder.raw_decode(text, text.index(f"{name}: ") + len(name) + 2)[0]
            for name in ("inputs", "outputs")
        }

    @property
    def a(self) -> str:
        """The answer that is read first."""
        return str(self.texts["outputs"]["A"])

    @property
    def b(self) -> str:
        """The answer that is read second."""
        return str(self.texts["outputs"]["B"])


@dataclass(frozen=True)
class Reply:
    """What is sent: a completion with `text`, an error with another `status`, or a reset."""

    text: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    reset: bool = False


Answer = Callable[[Question], Reply]


def verdict(result: str) -> Reply:
    """Answer as a model does that keeps to the schema."""
    return Reply(json.dumps({"rationale": "because", "result": result}))


def longer(question: Question) -> Reply:
    """Prefer the longer answer, wherever it stands."""
    gap = len(question.a) - len(question.b)
    return verdict("tie" if gap == 0 else "A" if gap > 0 else "B")


def always_first(question: Question) -> Reply:
    """Prefer the first answer, whatever it says."""
    return verdict("A")


def garbage(question: Question) -> Reply:
    """Chat."""
    return Reply("I like both of them!")


def slowly(seconds: float, then: Answer = longer) -> Answer:
    """Think for a while first."""

    def answer(question: Question) -> Reply:
        time.sleep(seconds)
        return then(question)

    return answer


def first(*replies: Reply, then: Answer = longer) -> Answer:
    """Send `replies` to the first calls, in order, and answer the others."""

    def answer(question: Question) -> Reply:
        number = question.number - 1
        return replies[number] if number < len(replies) else then(question)

    return answer


def failing(status: int, message: str = "no") -> Reply:
    """Answer with an error in OpenAI's form."""
    return Reply(message, status)


@dataclass
class LlmServer:
    """`strays` are requests for anything else, such as a proxy is asked for."""

    answer: Answer = longer
    url: str = ""
    calls: list[Question] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    open: int = 0
    most_open: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def noted(self, body: dict[str, Any], headers: dict[str, str]) -> Iterator[Question]:
        """Count a call as open for the length of the block."""
        with self.lock:
            question = Question(len(self.calls) + 1, body, headers)
            self.calls.append(question)
            self.open += 1
            self.most_open = max(self.most_open, self.open)
        try:
            yield question
        finally:
            with self.lock:
                self.open -= 1


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up waiting is no news."""


@contextmanager
def running_llm(answer: Answer = longer) -> Iterator[LlmServer]:
    """Serve a model for the length of the block."""
    llm = LlmServer(answer)
    handler = type("Handler", (_Handler,), {"llm": llm})
    with _Server(("127.0.0.1", 0), handler) as server:
        llm.url = f"http://127.0.0.1:{server.server_port}/v1/chat/completions"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield llm
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    llm: LlmServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != "/v1/chat/completions":
            self.llm.strays.append(f"POST {self.path}")
            self.send_error(404)
            return
        with self.llm.noted(json.loads(body), dict(self.headers)) as question:
            reply = self.llm.answer(question)
        self._send(reply)

    def do_CONNECT(self) -> None:
        self.llm.strays.append(f"CONNECT {self.path}")
        self.send_error(502)

    def do_GET(self) -> None:
        self.llm.strays.append(f"GET {self.path}")
        self.send_error(404)

    def _send(self, reply: Reply) -> None:
        if reply.reset:
            linger = struct.pack("ii", 1, 0)  # closing sends RST
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            return
        choice = {"index": 0, "message": {"role": "assistant", "content": reply.text}}
        answer = (
            {"choices": [choice]} if reply.status == 200 else {"error": {"message": reply.text}}
        )
        content = json.dumps(answer).encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
