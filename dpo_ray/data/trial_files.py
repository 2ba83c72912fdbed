"""What a trial leaves in its folder, by name."""

import shutil
from pathlib import Path

EXAMPLES = "examples.parquet"
"""A row for each pair that a checkpoint was evaluated on."""
COMPLETIONS = "completions.parquet"
"""A row for each prompt that a checkpoint answered: both answers, scores, outcome."""
ADAPTER = "adapter"
MODEL = "model"
"""A whole model, where all weights are trained."""
ERROR_LOG = "error.log"
"""The whole traceback of an error that no rule foresaw, or that a rule followed from."""
HALVED = "out-of-memory"
"""Stands there once memory ran out: the trial goes on with half as many pairs at a time."""
EVALUATED, RESUME = "step-", "resume-"
ASSESSED = 0
"""The step under which a saved adapter's evaluation lies: nothing was trained."""


def checkpoint_folder(trial: Path, step: int) -> Path:
    """Return where all that belongs to one evaluated checkpoint lies."""
    return trial / f"{EVALUATED}{step:05d}"


def resume_folder(trial: Path, step: int) -> Path:
    """Return where the checkpoint lies from which an interrupted trial goes on after `step`."""
    return trial / f"{RESUME}{step:05d}"


def resume_folders(trial: Path) -> list[Path]:
    """Return the trial's checkpoints to go on from, the latest first.

    One that was not written to its end is hidden, and not among them.
    """
    return sorted(trial.glob(f"{RESUME}*"), reverse=True)


def drop_resume(trial: Path) -> None:
    """Remove all that only an interrupted trial needs; nothing, where there is none."""
    _remove(trial, [f"{RESUME}*", f".{RESUME}*", HALVED])


def clear_trial(trial: Path) -> None:
    """Remove what an earlier life of the trial left."""
    drop_resume(trial)
    _remove(trial, [f"{EVALUATED}*", ADAPTER, f".{ADAPTER}", MODEL, f".{MODEL}", ERROR_LOG])


def _remove(trial: Path, patterns: list[str]) -> None:
    for path in (path for pattern in patterns for path in trial.glob(pattern)):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)  # what stays is never taken for another's
        else:
            path.unlink(missing_ok=True)
