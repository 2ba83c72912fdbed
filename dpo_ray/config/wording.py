"""How an error reads: place, key, rule, value, what is allowed."""

import difflib
import json
from collections.abc import Sequence
from typing import Any

from dpo_ray.config.document import Document
from dpo_ray.config.parsing import KeyPath
from dpo_ray.config.redaction import redact_field

MAX_SHOWN = 60


def problem(document: Document, path: KeyPath, rule: str) -> str:
    """Write one line: where `path` stands, its name, and the rule it breaks."""
    place, key = document.place(path), dotted(path)
    if not key or place.startswith(f"--set {key}="):
        return f"{place}: {rule}"
    return f"{place}: {key}: {rule}"


def did_you_mean(name: str, allowed: Sequence[str], better: Sequence[str] = ()) -> str:
    """Say what `name` probably stands for, if anything, and all that is allowed."""
    close = list(better) or difflib.get_close_matches(name, allowed, n=1)
    hint = f"; did you mean {' or '.join(close)}?" if close else ""
    return f"{hint}{' ' if hint else '; '}allowed: {', '.join(allowed) or 'none'}"


def show(value: Any, name: str = "") -> str:
    """Write a value as YAML would, short, and without the secrets `name` suggests."""
    if value is None:
        return "nothing"
    text = json.dumps(redact_field(name, value), ensure_ascii=False, default=str)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."


def dotted(path: KeyPath) -> str:
    """Write a path as people do: `evaluation.at[1]`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".")
