"""A fine-tuned reference in the cache: `model`, a plain model's folder, and `sft.json` beside it.

What says how it came about stands outside the model's folder, whose files are its identity.
"""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dpo_ray.training.jobs import Texts

MODEL, HISTORY = "model", "sft.json"
CONFIG = "config.json"
WEIGHTS = "*.safetensors*"
NOT_OURS = (WEIGHTS, "*.bin", "*.pt", "*.pth", "*.h5", "*.msgpack", "*.onnx*", "*.gguf", ".*")
"""Weights of the model before, in any form, and hidden files."""


@dataclass(frozen=True)
class SftHistory:
    """How a reference was fine-tuned: enough to show its loss curve again."""

    model: str
    """Folder of the model that was fine-tuned."""
    settings: dict[str, Any]
    texts: Texts
    total_steps: int
    seconds: float
    log: list[tuple[int, dict[str, float]]]
    """Step and metrics of every logging step."""


def write_history(entry: Path, history: SftHistory) -> None:
    """Put the history beside the model."""
    (entry / HISTORY).write_text(json.dumps(asdict(history), indent=1))


def read_history(entry: Path) -> SftHistory:
    """Return the history of an entry found in the cache."""
    facts = json.loads((entry / HISTORY).read_text())
    log = [(step, metrics) for step, metrics in facts.pop("log")]
    return SftHistory(texts=Texts(**facts.pop("texts")), log=log, **facts)


def save_model(model: Any, folder: Path, base: Path, dtype: str) -> None:
    """Write weights as safetensors, and every other file as it lies in `base`.

    Tokenizer, chat template and generation defaults are not trained, so they stay to the byte;
    of the configuration only the dtype can differ.
    """
    model.save_pretrained(folder)
    for path in folder.iterdir():
        if not path.match(WEIGHTS):
            path.unlink()
    shutil.copytree(
        base, folder, ignore=shutil.ignore_patterns(*NOT_OURS, CONFIG), dirs_exist_ok=True
    )
    config = (base / CONFIG).read_text()
    (folder / CONFIG).write_text(_held_in(dtype, config))


def _held_in(dtype: str, config: str) -> str:
    facts = json.loads(config)
    name = "torch_dtype" if "torch_dtype" in facts else "dtype"
    return config if facts.get(name) == dtype else json.dumps({**facts, name: dtype}, indent=2)
