"""A configuration file in memory: its values, and where each of them stands."""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpo_ray.config.parsing import KeyPath, Places, parse
from dpo_ray.errors import ConfigError

MAX_BYTES = 1_000_000


@dataclass(frozen=True)
class Document:
    """Plain values below one map, from one file or several merged into it."""

    values: dict[str, Any]
    places: Places
    question: str = ""
    """What the file asks, as its first comment says after a dash."""

    def place(self, path: KeyPath) -> str:
        """Name where `path` stands, or else the closest thing above it that stands anywhere."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, "")


def read_document(path: Path) -> Document:
    """Read a YAML file whose top level is a map; ConfigError names file and line."""
    text = _read_text(path)
    places: Places = {(): str(path)}
    values = parse(text, lambda line: f"{path}:{line}", places)
    if values is None:
        raise ConfigError(f"{path}: must be a map of keys, and is empty")
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: must be a map of keys, got a {type(values).__name__}")
    return Document(values, places, _question(text))


def _read_text(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ConfigError(f"{path}: must have at most {MAX_BYTES:,} bytes, has {size:,}")
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file{_neighbour(path)}") from None
    except UnicodeDecodeError as error:
        byte = f"0x{error.object[error.start]:02x} at byte {error.start}"
        raise ConfigError(f"{path}: must be UTF-8 text, got {byte}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:  # a NUL in the name
        raise ConfigError(f"{str(path)!r}: cannot be read: {error}") from None


def _neighbour(path: Path) -> str:
    names = [entry.name for entry in path.parent.glob("*.y*ml")]
    close = difflib.get_close_matches(path.name, names, n=1)
    return f"; did you mean {path.with_name(close[0])}?" if close else ""


def _question(text: str) -> str:
    """Find `# name - question` among the comments that open the file."""
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            break
        name, dash, question = line.partition(" - ")
        if dash and name.startswith("#"):
            return question.strip()
    return ""
