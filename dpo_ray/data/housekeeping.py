"""What lies in a store's cache, and what of it may go."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dpo_ray.data.waiting import is_being_made

LEFTOVER_DAYS = 1.0
"""A hidden folder older than this is what a killed writer left behind."""


@dataclass(frozen=True)
class Entry:
    """One thing in the cache: an entry, the shards of an unfinished one, or a leftover."""

    path: Path
    bytes: int
    used: float
    """When a sweep last asked for it, Unix seconds."""
    kind: str
    """rows, tokens, scores, completions, judged, model; `unfinished`; or `leftover`."""


def entries(cache: Path) -> list[Entry]:
    """List what the cache holds, last used first."""
    found = [_entry(path) for path in cache.iterdir() if path.is_dir()] if cache.is_dir() else []
    return sorted(found, key=lambda entry: -entry.used)


def to_drop(
    found: Sequence[Entry],
    now: float,
    *,
    older_than_days: float | None = None,
    max_bytes: int | None = None,
    protected: Iterable[str] = (),
) -> list[Entry]:
    """Decide what goes: what was unused for too long, then the longest unused until the rest fits.

    Names in `protected` stay, whatever their age; leftovers of killed writers always go.
    """
    kept = set(protected)
    free = [entry for entry in found if entry.path.name.removesuffix(".parts") not in kept]
    free.sort(key=lambda entry: entry.used)
    gone = [entry for entry in free if _is_stale(entry, now, older_than_days)]
    if max_bytes is not None:
        size = sum(entry.bytes for entry in found) - sum(entry.bytes for entry in gone)
        for entry in free:
            if size <= max_bytes:
                break
            if entry not in gone:
                gone.append(entry)
                size -= entry.bytes
    return gone


def drop(entry: Entry) -> bool:
    """Remove an entry unless somebody is making it now; say whether it is gone."""
    if is_being_made(entry.path.with_name(entry.path.name.removesuffix(".parts"))):
        return False
    # Renamed first, so that nobody opens half of it.
    going = entry.path.with_name(f".dropped-{entry.path.name.lstrip('.')}")
    entry.path.rename(going)
    shutil.rmtree(going)
    return True


def _is_stale(entry: Entry, now: float, older_than_days: float | None) -> bool:
    age = (now - entry.used) / 86400
    if entry.kind == "leftover":
        return age > LEFTOVER_DAYS
    return older_than_days is not None and age > older_than_days


def _entry(path: Path) -> Entry:
    kind = path.name.partition("-")[0]
    if path.name.startswith("."):
        kind = "leftover"
    elif path.name.endswith(".parts"):
        kind = "unfinished"
    return Entry(path, folder_bytes(path), path.stat().st_mtime, kind)


def folder_bytes(folder: Path) -> int:
    """Add up the sizes of a folder's files; one that vanishes meanwhile counts nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size if not path.is_dir() else 0
        except FileNotFoundError:
            continue
    return total
