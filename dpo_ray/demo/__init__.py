"""A toy language made from nothing: reviews, a tiny model that writes them, preferences.

It ships built, so the first sweep needs neither download nor GPU. `python -m dpo_ray.demo`
builds it again.
"""

from importlib.resources import files
from pathlib import Path


def model_folder() -> Path:
    """Return the folder of the reference model and its tokenizer, as Transformers reads it."""
    return _assets() / "model"


def pairs_file() -> Path:
    """Return the preference pairs: JSON lines of prompt, chosen, rejected."""
    return _assets() / "pairs.jsonl"


def _assets() -> Path:
    """Return the assets on disk: Ray workers and Transformers need real paths, not streams."""
    return Path(str(files("dpo_ray.demo") / "assets"))
