"""The commit of the project that a sweep is started from."""

import subprocess
from pathlib import Path

from dpo_ray.tracking.records import ProjectCommit

ANSWER_S = 10.0


def project_commit(folder: Path) -> ProjectCommit | None:
    """Return the commit of the repository around `folder`; None where git knows of none.

    Files that were never added do not make it dirty: a store often lies in the project.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if not commit:
        return None
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return ProjectCommit(commit=commit, dirty=changes != "")


def _git(folder: Path, *words: str) -> str | None:
    """Return what git says; None where there is no git, or it refuses or hangs."""
    try:
        # Reading a status must not take the lock that the person's own git may want.
        command = ["git", "--no-optional-locks", "-C", str(folder), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
