"""The command of a submitted job: the documented one, that joins the cluster it runs on."""

import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dpo_ray.config.redaction import redact_command
from dpo_ray.errors import ConfigError
from dpo_ray.plan import Plan


@dataclass(frozen=True)
class Typed:
    """What was typed, as far as the job's own command repeats it."""

    space: Path
    sweep_file: Path
    overrides: Sequence[str] = ()
    trials: str | None = None
    verbose: bool = False
    open_allowed: bool = False


def entrypoint(plan: Plan, typed: Typed, here: Path, as_json: bool = False) -> str:
    """Return the job's command: the documented one, that joins the cluster it runs on.

    Raises:
        ConfigError: it names a file outside `here`, or holds a secret, which all would see.
    """
    settings = [*typed.overrides, "cluster.address=null"]
    words = [
        *("-m", "dpo_ray.sweep", _sent(typed.space, here)),
        *("--sweep", _sent(typed.sweep_file, here)),
        *("--store", str(plan.store), "--name", plan.name),
        *(part for each in settings for part in ("--set", each)),
        *(("--trials", typed.trials) if typed.trials else ()),
        *(["--json"] if as_json else []),
        *(["--verbose"] if typed.verbose else []),
        *(["--allow-insecure-cluster"] if typed.open_allowed else []),
    ]
    for shown, word in zip(redact_command(words), words, strict=True):
        if shown != word:
            raise ConfigError(
                f"--set {shown}: a job's command and environment are seen by whoever sees the "
                "cluster, so no secret may stand there; set it in the environment of the "
                "cluster's nodes"
            )
    return f"{plan.sweep.cluster.python} {shlex.join(words)}"


def _sent(path: Path, here: Path) -> str:
    """Return a path as the job finds it: below its copy of `here`, or where every node has it."""
    whole = Path(os.path.normpath(path.absolute()))
    if whole.is_relative_to(here):
        return str(whole.relative_to(here))
    if path.is_absolute():
        return str(path)
    raise ConfigError(
        f"{path}: lies outside {here}, which is what goes to the cluster; start from a folder "
        "above it, or name it by its whole path if the cluster's head has it there, too"
    )
