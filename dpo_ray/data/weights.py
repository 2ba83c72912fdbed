"""Whether a folder's safetensors files are whole, told by their headers alone."""

import json
from pathlib import Path

from dpo_ray.errors import ConfigError

NONE_FOUND = "holds no *.safetensors, the only weights read"
MAX_HEADER = 100_000_000
"""Bytes; the format's own limit."""


def check_weights(folder: Path) -> None:
    """Check every safetensors file of a model folder, and that its index's files are all there.

    Raises:
        ConfigError: there is none, one is missing, or one is incomplete; the text names it.
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ConfigError(f"{folder}: {NONE_FOUND}")
    for path in files:
        check_safetensors(path)
    for index in folder.glob("*.safetensors.index.json"):
        _check_index(index)


def check_safetensors(path: Path) -> None:
    """Compare a file's size with what its header promises. Reads the header only.

    Raises:
        ConfigError: the file is shorter or longer, or begins with no header; the text names it.
    """
    size = path.stat().st_size
    promised = _promised_size(path)
    if promised is None:
        raise ConfigError(f"{path}: must be a safetensors file, begins with no header of one")
    if size != promised:
        raise ConfigError(
            f"{path}: must have the {promised:,} bytes that its header promises, has {size:,}; "
            "it was cut off or damaged: delete it, and copy or download it again"
        )


def _promised_size(path: Path) -> int | None:
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        text = stream.read(length) if length <= MAX_HEADER else b""
    try:
        tensors = json.loads(text)
        ends = [value["data_offsets"][1] for key, value in tensors.items() if key != "__metadata__"]
        return 8 + length + max(map(int, ends), default=0)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None


def _check_index(index: Path) -> None:
    try:
        named = sorted(set(json.loads(index.read_bytes())["weight_map"].values()))
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"{index}: must be a JSON object whose weight_map names the file of each weight; copy "
            "or download it again"
        ) from error
    missing = [name for name in named if not (index.parent / name).is_file()]
    if missing:
        raise ConfigError(f"{index}: names files that are not there: {', '.join(missing)}")
