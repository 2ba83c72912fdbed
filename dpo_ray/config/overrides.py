"""`--set a.b=c`: a value from the command line, laid over a sweep file."""

import copy
from collections.abc import Sequence
from typing import Any

from dpo_ray.config.document import Document
from dpo_ray.config.parsing import KeyPath, Places, parse, parse_scalar
from dpo_ray.config.redaction import redact_field
from dpo_ray.config.wording import show
from dpo_ray.errors import ConfigError

MAX_SHOWN = 80


def apply_overrides(document: Document, overrides: Sequence[str]) -> Document:
    """Return the document with each override applied; of two for one key the later wins."""
    values, places = copy.deepcopy(document.values), dict(document.places)
    for override in overrides:
        _apply(override, values, places)
    return Document(values, places, document.question)


def _apply(override: str, values: dict[str, Any], places: Places) -> None:
    name, equals, text = override.partition("=")
    keys = name.split(".")
    if not equals or not all(key.strip() == key and key for key in keys):
        raise ConfigError(f"--set {override}: must read KEY=VALUE, as in search.trials=40")
    place = _place(name, text)
    if name == "extends":
        raise ConfigError(f"{place}: works in a sweep file only; choose another file with --sweep")
    section = _section(values, places, keys[:-1], place)
    path: KeyPath = tuple(keys)
    for below in [inner for inner in places if inner[: len(path)] == path]:
        del places[below]
    places[path] = place
    section[keys[-1]] = _read(text, place, places, path)


def _section(
    values: dict[str, Any], places: Places, keys: Sequence[str], place: str
) -> dict[str, Any]:
    """Go down to the map that holds the last key, making what the file leaves out."""
    for depth, key in enumerate(keys, start=1):
        if key not in values:
            values[key], places[tuple(keys[:depth])] = {}, place
        below = values[key]
        if not isinstance(below, dict):
            above = ".".join(keys[:depth])
            raise ConfigError(f"{place}: {above} holds {show(below)}, which has no keys to set")
        values = below
    return values


def _read(text: str, place: str, places: Places, path: KeyPath) -> Any:
    """Take lists, maps and quoted text as YAML, all else literally: `*.jsonl` is a name."""
    if text[:1] in ("[", "{", '"', "'"):
        return parse(text, lambda _: place, places, path)
    return parse_scalar(text, place)


def _place(name: str, text: str) -> str:
    shown = str(redact_field(name, text))
    return f"--set {name}={shown[:MAX_SHOWN]}{'...' if len(shown) > MAX_SHOWN else ''}"
