"""A chat template comes with a model, so it may loop for ever, or fill the memory: each rendering
has a limit of time and one of memory."""

import ctypes
import resource
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from dpo_ray.errors import DataError

TEMPLATE_S = 20.0
"""Seconds one conversation may take; an honest template takes less than a millisecond."""
TEMPLATE_MB = 1000
"""What one conversation may add to this process's memory."""
LARGEST = 1_000_000
"""Letters, items or bits of what a template multiplies; more in one go no watch could end."""
LOOK_S = 0.1
_MEMORY = threading.Lock()


class TemplateOverdue(Exception):
    """The chat template was still rendering after its time."""

    def __str__(self) -> str:
        return f"the chat template must render a conversation in {TEMPLATE_S:g} s, and it did not"


class TemplateTooLarge(Exception):
    """The chat template asked for more memory than it may have."""

    def __str__(self) -> str:
        return f"the chat template must need less than {TEMPLATE_MB:,} MB, and it did not"


@contextmanager
def bounded_templates(tokenizer: Any) -> Iterator[None]:
    """Let `tokenizer.apply_chat_template` raise TemplateOverdue or TemplateTooLarge, for the
    block's length.

    A sandbox bounds what a template reaches, not how long it loops, and a worker trains in a
    thread, where no alarm rings: so another thread watches, and raises the error in this one.
    """
    bound_products()
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
        DataError: it takes for ever over it, or too much memory.
    """
    messages = text.get("messages") or text.get("prompt")
    if isinstance(messages, list) and tokenizer.chat_template:
        try:
            with bounded_templates(tokenizer):
                tokenizer.apply_chat_template(messages, tokenize=False)
        except (TemplateOverdue, TemplateTooLarge) as error:
            raise DataError(f"reference.sft: {error}") from None
        except Exception:
            return  # whoever renders all of them says what is wrong, and where


@cache
def bound_products() -> None:
    """Have the sandbox of this process's chat templates multiply nothing too large.

    Python would be at `9 ** 9 ** 9` for hours, in which nobody else has a turn: no watch either.
    What is intercepted is not worked out while the template is read, either (jinja2/sandbox.py).
    """
    from transformers.utils import chat_template_utils as templates

    class Bounded(templates.ImmutableSandboxedEnvironment):  # type: ignore[misc]
        intercepted_binops = frozenset(("*", "**"))

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            if _size(operator, left, right) > LARGEST:
                raise TemplateTooLarge
            return super().call_binop(context, operator, left, right)

    templates.ImmutableSandboxedEnvironment = Bounded
    templates._compile_jinja_template.cache_clear()


def _size(operator: str, left: Any, right: Any) -> int:
    """Return the letters, items or bits of a product or a power."""
    if operator == "**":
        whole = isinstance(left, int) and isinstance(right, int)
        return left.bit_length() * max(right, 0) if whole else 0
    if isinstance(left, int) and isinstance(right, int):
        return left.bit_length() + right.bit_length()
    if isinstance(left, int):
        left, right = right, left
    return len(left) * max(right, 0) if hasattr(left, "__len__") and isinstance(right, int) else 0


@contextmanager
def _bounded_memory() -> Iterator[None]:
    """Refuse this process more memory than that, for the block's length.

    One thread at a time: the limit is the whole process's, and two would each put back what they
    met.
    """
    with _MEMORY:
        yield from _limited()


def _limited() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    taken = 0
    with suppress(OSError):  # Linux alone tells
        taken = int(Path("/proc/self/statm").read_bytes().split()[5]) * resource.getpagesize()
    most = taken + TEMPLATE_MB * 1_000_000
    if taken and (before[0] == resource.RLIM_INFINITY or most < before[0]):
        resource.setrlimit(resource.RLIMIT_DATA, (most, before[1]))
    try:
        yield
    except MemoryError:
        raise TemplateTooLarge from None
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


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
                with _bounded_memory():
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
