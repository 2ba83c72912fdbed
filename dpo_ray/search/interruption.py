"""Ctrl-C and SIGTERM: the first asks the search to end, the second ends it where it stands."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from dpo_ray.errors import Interrupted
from dpo_ray.search.progress import Progress

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def interruptible(progress: Progress) -> Iterator[None]:
    """Handle both signals for the block's length; main thread only.

    While the search runs the first signal is only noted: slots are cancelled and every trial
    gets its end written. Outside it, and from the second signal on, Interrupted is raised.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if progress.searching and progress.signal is None:
            progress.signal = name
        else:
            progress.signal = name
            raise Interrupted(f"interrupted by {name}")

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
