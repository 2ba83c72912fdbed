"""Where a built toy language goes: whole, or not at all."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dpo_ray.errors import ConfigError

NAME = "dpo-ray toy language"
MANIFEST = "manifest.json"


@contextmanager
def placed_when_whole(out: Path) -> Iterator[Path]:
    """Give an empty folder beside `out` that takes its place if the block ends well.

    An earlier toy language at `out` is replaced. Raises ConfigError, before the block runs,
    when `out` is anything else.
    """
    out = out.absolute()
    _refuse_what_is_not_ours(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as workshop:
        fresh = Path(workshop, "fresh")
        fresh.mkdir()
        yield fresh
        if out.exists():
            out.rename(Path(workshop, "replaced"))
        fresh.rename(out)


def _refuse_what_is_not_ours(out: Path) -> None:
    if out.is_dir() and (not any(out.iterdir()) or _is_toy_language(out)):
        return
    if out.exists():
        raise ConfigError(
            f"--out: a new or empty folder or an earlier toy language must be named, got {out}"
        )


def _is_toy_language(folder: Path) -> bool:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and manifest.get("name") == NAME
