"""What of the current folder goes to the cluster with a submitted sweep."""

from pathlib import Path

from dpo_ray.errors import ConfigError

MOST_MB = 100
"""What Ray's Jobs API takes; larger data belongs where every node sees it."""
NAMED = 5


def refuse_too_much(folder: Path, most_mb: float = MOST_MB) -> int:
    """Return the bytes that Ray would send of `folder`, less what its ignore files name.

    Raises:
        ConfigError: they are too many; the text names the largest parts.
    """
    found = _sizes(folder)
    total = sum(found.values())
    if total > most_mb * 2**20:
        largest = sorted(found, key=found.__getitem__, reverse=True)[:NAMED]
        parts = ", ".join(f"{name} {_mb(found[name])}" for name in largest)
        raise ConfigError(
            f"{folder}: {_mb(total)} would go to the cluster with the sweep, and it takes at most "
            f"{most_mb:g} MB; the largest: {parts}. Name in {folder / '.rayignore'} what the sweep "
            "does not need, one pattern a line as in .gitignore, and put large data where every "
            "node sees it"
        )
    return total


def _sizes(folder: Path) -> dict[str, int]:
    """Return the bytes below each entry of `folder`, by Ray's own rules for what is left out."""
    import os

    from ray._private.ray_constants import get_runtime_env_default_excludes
    from ray._private.runtime_env.packaging import _dir_travel, _get_excludes

    found: dict[str, int] = {}

    def weigh(path: Path) -> None:
        if path.is_file():
            top = path.relative_to(folder).parts[0]
            found[top] = found.get(top, 0) + path.stat().st_size

    git = os.environ.get("RAY_RUNTIME_ENV_IGNORE_GITIGNORE", "0") != "1"
    always = _get_excludes(folder, get_runtime_env_default_excludes())
    _dir_travel(folder, [always], weigh, include_gitignore=git)
    return found


def _mb(size: int) -> str:
    return f"{size / 2**20:.1f} MB"
