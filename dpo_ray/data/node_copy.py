"""A node's own copy of prepared data: read over a shared mount once, not in every epoch."""

import os
import shutil
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from dpo_ray.data.cache import new_entry
from dpo_ray.data.prepared import Prepared
from dpo_ray.data.waiting import making

UNUSED_DAYS = 14
"""Copies of this node that nobody asked for in so many days make room."""


@cache
def on_this_node(prepared: Prepared, node_cache: Path | None) -> Prepared:
    """Return `prepared` with every entry on this node's own disk; None leaves it where it lies.

    Looked up once per process, not in every trial. Any number of workers of a node may call it at
    once: one copies, the others wait. A disk without room leaves the entry where it is, which is
    slower and still right.
    """
    if node_cache is None:
        return prepared
    node_cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    found: dict[str, Any] = {
        name: _copied(entry, node_cache) for name, entry in prepared.entries.items()
    }
    drop_unused(node_cache, UNUSED_DAYS, set(found.values()))
    return replace(prepared, **found)


def _copied(entry: Path, node_cache: Path) -> Path:
    target = node_cache / entry.name
    with making([target], lambda: None, lambda _: None):
        if not target.is_dir():
            try:
                with new_entry(target) as folder:
                    shutil.copytree(entry, folder, dirs_exist_ok=True)
            except (OSError, shutil.Error):
                return entry
        os.utime(target)
    return target


def drop_unused(node_cache: Path, days: float, keep: set[Path]) -> None:
    """Remove copies that were last asked for more than `days` ago, and locks left alone."""
    horizon = time.time() - days * 86400
    for path in node_cache.iterdir():
        if path.is_dir() and path not in keep and path.stat().st_mtime < horizon:
            shutil.rmtree(path, ignore_errors=True)
