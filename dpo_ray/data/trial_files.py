"""What a trial leaves in its folder, by name."""

from pathlib import Path

EXAMPLES = "examples.parquet"
"""A row for each pair that a checkpoint was evaluated on."""
COMPLETIONS = "completions.parquet"
"""A row for each prompt that a checkpoint answered: both answers, scores, outcome."""
ADAPTER = "adapter"


def checkpoint_folder(trial: Path, step: int) -> Path:
    """Return where all that belongs to one evaluated checkpoint lies."""
    return trial / f"step-{step:05d}"
