"""One live process per sweep: a lock the operating system lets go of when its holder dies."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dpo_ray.errors import SweepLocked


@contextmanager
def sweep_lock(folder: Path) -> Iterator[None]:
    """Hold `folder`/lock for the block's length; the folder is made if need be.

    Raises:
        SweepLocked: a live process holds it. A dead one's lock is free at once.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SweepLocked(
                f"another live process runs the sweep {folder.name} (lock: {stream.name}); "
                "wait for it, or choose another --name"
            ) from None
        yield


def is_locked(folder: Path) -> bool:
    """Whether a live process runs the sweep of this folder."""
    try:
        with (folder / "lock").open("r") as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
