"""Names of sweeps: the same question put the same way has the same name."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from dpo_ray.config.space import SearchSpace
from dpo_ray.config.sweep import SweepConfig
from dpo_ray.config.wording import show
from dpo_ray.errors import ConfigError

SPENDING: dict[str, Any] = {
    "search": {"trials", "concurrent"},
    "budget": True,
    "tracking": True,
    "resources": {"custom"},
    "cluster": True,
    "space": True,
    "schedule": True,
    "alerts": True,
    "champion": True,
}
"""What a sweep may take and where it is shown: another value asks the same question."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def sweep_name(name: str | None, space_path: Path, space: SearchSpace, sweep: SweepConfig) -> str:
    """Return `name`, or one after the space file; ConfigError unless it is safe as a folder."""
    chosen = name if name is not None else f"{space_path.stem}-{_digest(space, sweep)}"
    if not NAME.fullmatch(chosen):
        origin = "--name" if name is not None else f"the default --name, after {space_path.name}"
        raise ConfigError(
            f"{origin}: must be 1 to 64 letters, digits, dots, dashes or underscores and start "
            f"with a letter or digit, got {show(chosen)}"
        )
    return chosen


def _digest(space: SearchSpace, sweep: SweepConfig) -> str:
    """Hash what the answer depends on, so the same command means the same sweep.

    What more may be spent on it stays out: more trials, trials at once or hours continue the
    sweep.
    """
    kept = sweep.model_dump(mode="json", exclude=SPENDING)
    text = json.dumps([space.model_dump(mode="json"), kept], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
