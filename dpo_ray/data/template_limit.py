"""A chat template comes with a model, so it may loop for ever: each rendering has a time limit."""

import ctypes
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dpo_ray.errors import DataError

TEMPLATE_S = 20.0
"""Seconds one conversation may take; an honest template takes less than a millisecond."""
LOOK_S = 0.1


class TemplateOverdue(Exception):
    """The chat template was still rendering after its time."""

    def __str__(self) -> str:
        return f"the chat template must render a conversation in {TEMPLATE_S:g} s, and it did not"


@contextmanager
def bounded_templates(tokenizer: Any) -> Iterator[None]:
    """Let `tokenizer.apply_chat_template` raise TemplateOverdue, for the block's length.

    A sandbox bounds what a template reaches, not how long it loops, and a worker trains in a
    thread, where no alarm rings: so another thread watches, and raises the error in this one.
    """
    watch = _Watch(threading.get_ident())
    tokenizer.apply_chat_template = watch.over(tokenizer.apply_chat_template)
    try:
        with watch:
            yield
    finally:
        del tokenizer.apply_chat_template


def refuse_endless(tokenizer: Any, text: Mapping[str, Any]) -> None:
    """Try the chat template on one text, where all will be rendered out of reach.

    Raises:
        DataError: it takes for ever over it.
    """
    messages = text.get("messages") or text.get("prompt")
    if isinstance(messages, list) and tokenizer.chat_template:
        try:
            with bounded_templates(tokenizer):
                tokenizer.apply_chat_template(messages, tokenize=False)
        except TemplateOverdue as error:
            raise DataError(f"reference.sft: {error}") from None
        except Exception:
            return  # whoever renders all of them says what is wrong, and where


class _Watch:
    def __init__(self, thread: int) -> None:
        self._thread = thread
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._began: float | None = None
        self._watcher = threading.Thread(target=self._look, daemon=True, name="template-limit")

    def __enter__(self) -> None:
        self._watcher.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._watcher.join()

    def over(self, render: Callable[..., Any]) -> Callable[..., Any]:
        """Return `render`, watched."""

        def watched(*arguments: Any, **named: Any) -> Any:
            with self._lock:
                self._began = time.monotonic()
            try:
                return render(*arguments, **named)
            finally:
                with self._lock:
                    self._began = None

        return watched

    def _look(self) -> None:
        while not self._ended.wait(LOOK_S):
            with self._lock:
                if self._began is not None and time.monotonic() - self._began > TEMPLATE_S:
                    self._began = None
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(
                        ctypes.c_ulong(self._thread), ctypes.py_object(TemplateOverdue)
                    )
