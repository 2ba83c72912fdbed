"""One process makes a cache entry; whoever else wants it waits, and takes over if it dies."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

POLL_S = 0.5


@contextmanager
def making(
    entries: Sequence[Path], check: Callable[[], None], say: Callable[[str], None]
) -> Iterator[None]:
    """Hold the right to make `entries` for the block's length.

    The operating system lets go of it when its holder dies, whatever kills it. `check` is called
    while another process holds it, and what it raises ends the waiting; `say` is told once that
    there is something to wait for. Look again afterwards: the other may have made the entry.
    """
    with ExitStack() as held:
        for entry in sorted(entries):  # in one order, so that no two wait for each other
            held.enter_context(_one(entry, check, say))
        yield


@contextmanager
def _one(entry: Path, check: Callable[[], None], say: Callable[[str], None]) -> Iterator[None]:
    entry.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(lock_of(entry))
    told = False
    while True:
        try:
            lock.acquire(timeout=0)
            break
        except Timeout:
            if not told:
                say(f"Waiting for another process that prepares {entry.name}")
            told = True
            check()
            time.sleep(POLL_S)
    try:
        yield
    finally:
        lock.release()


def lock_of(entry: Path) -> Path:
    """Return the file whose lock means that the entry is being made."""
    return entry.with_name(f".{entry.name}.lock")


def is_being_made(entry: Path) -> bool:
    """Whether a live process holds the right to make the entry."""
    if not lock_of(entry).exists():
        return False
    try:
        with FileLock(lock_of(entry)).acquire(timeout=0):
            return False
    except Timeout:
        return True
