"""Signs of life from within an evaluation, which asks nobody anything until it is through."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

EVERY_S = 10.0


@contextmanager
def signs_of_life(
    model: Any, tell: Callable[[], object], every_s: float = EVERY_S
) -> Iterator[None]:
    """Call `tell` now and then while the model computes; a judge that thinks is not noticed."""
    told = time.monotonic()

    def on_forward(*_: Any) -> None:
        nonlocal told
        if time.monotonic() - told >= every_s:
            told = time.monotonic()
            tell()

    hook = model.register_forward_pre_hook(on_forward)
    try:
        yield
    finally:
        hook.remove()
