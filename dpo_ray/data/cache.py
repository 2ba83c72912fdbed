"""Results kept under the hash of everything they depend on.

An entry is a folder that appears by one rename, so that a reader sees all of it or nothing.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any


def content_key(facts: Mapping[str, Any]) -> str:
    """Return 16 hex digits of the sha256 of `facts` (JSON values), whatever their order."""
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def folder_digest(folder: Path, skip: Sequence[str] = ()) -> str:
    """Return the sha256 over names and bytes of a folder's files: a model's identity.

    Files that match a pattern of `skip` do not count.
    """
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        if any(path.match(pattern) for pattern in skip):
            continue
        facts = path.stat()
        digest.update(str(path.relative_to(folder)).encode() + b"\0")
        digest.update(_file_digest(path, facts.st_size, facts.st_mtime_ns))
    return digest.hexdigest()


@cache
def _file_digest(path: Path, size: int, changed_ns: int) -> bytes:
    """Read a file once per process, and again where size or time of change are others: a
    model's weights are asked for by every key that depends on them."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


@contextmanager
def new_entry(target: Path) -> Iterator[Path]:
    """Yield a folder to fill; rename it to `target` at the end, drop it after an error.

    Where another process was first its entry stands: equal keys mean equal content.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield building
        building.chmod(0o755)
        try:
            os.rename(building, target)
        except OSError:
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
