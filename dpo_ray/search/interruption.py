"""Ctrl-C and SIGTERM: the first asks the sweep to end, the second ends it where it stands."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from dpo_ray.errors import Interrupted
from dpo_ray.search.progress import Progress

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SAVING = (
    "Interrupted by {name}: no further trial begins, those at work save where they are and leave. "
    "Once more ends the sweep at once."
)


@contextmanager
def interruptible(
    progress: Progress, told: Callable[[str], None] = lambda _: None
) -> Iterator[None]:
    """Handle both signals for the block's length; main thread only. `told` is given a line for
    the person who sent one.

    The first signal is only noted: whoever waits looks at `progress` in between, slots are
    cancelled and every trial gets its end written. An exception out of a handler would pass
    through Ray's compiled code, which makes a SystemError of it; the second signal does just
    that, and becomes Interrupted on its way out.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if progress.signal is not None:
            progress.twice = True
            raise KeyboardInterrupt
        progress.signal = name
        # In a thread: the screen's lock may be held by whoever was interrupted.
        threading.Thread(target=told, args=(SAVING.format(name=name),), daemon=True).start()

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    except Interrupted as error:
        error.at_once = progress.twice
        raise
    except (KeyboardInterrupt, SystemError):
        if progress.signal is None:
            raise
        twice = Interrupted(f"interrupted by {progress.signal}, twice")
        twice.at_once = True
        raise twice from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
