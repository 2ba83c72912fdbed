"""Loads the two kinds of file people write, or says in one error all that is wrong with them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dpo_ray.config.document import Document, read_document
from dpo_ray.config.findings import explain
from dpo_ray.config.overrides import apply_overrides
from dpo_ray.config.space import SearchSpace
from dpo_ray.config.sweep import SweepConfig
from dpo_ray.config.wording import problem, show
from dpo_ray.errors import ConfigError


def load_space(path: Path) -> SearchSpace:
    """Load a search space; ConfigError names file, line and key of everything wrong."""
    return open_space(path)[0]


def load_sweep(path: Path, overrides: Sequence[str] = ()) -> SweepConfig:
    """Load a sweep with what it extends and the overrides (`a.b=c`) applied, in that order."""
    return open_sweep(path, overrides)[0]


def open_space(path: Path) -> tuple[SearchSpace, Document]:
    """Load a search space and keep the places, for checks that come later."""
    document = read_document(path)
    try:
        return SearchSpace.model_validate(document.values), document
    except ValidationError as error:
        raise explain(error, SearchSpace, document) from None


def open_sweep(path: Path, overrides: Sequence[str] = ()) -> tuple[SweepConfig, Document]:
    """Load a sweep and keep the places, for checks that come later."""
    document = apply_overrides(_extended(path), overrides)
    try:
        return SweepConfig.model_validate(document.values), document
    except ValidationError as error:
        raise explain(error, SweepConfig, document, "extends") from None


def _extended(path: Path) -> Document:
    """Lay the file over the one it extends: maps merge, everything else replaces."""
    own = read_document(path)
    if "extends" not in own.values:
        return own
    base = _base(own, path)
    values = {key: value for key, value in own.values.items() if key != "extends"}
    return Document(_merge(base.values, values), {**base.places, **own.places})


def _base(own: Document, path: Path) -> Document:
    name = own.values["extends"]
    if not isinstance(name, str) or not name:
        rule = f"must be the path of a sweep file, got {show(name)}"
        raise ConfigError(problem(own, ("extends",), rule))
    try:
        base = read_document(path.parent / name)
    except ConfigError as error:
        raise ConfigError(problem(own, ("extends",), str(error))) from None
    if "extends" in base.values:
        rule = f"goes one level, and {base.place(('extends',))} extends another file itself"
        raise ConfigError(problem(own, ("extends",), rule))
    return base


def _merge(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Merge maps; one that names another `type` than the base's has other keys, and replaces it."""
    merged = dict(base)
    for key, value in own.items():
        below = merged.get(key)
        if isinstance(below, dict) and isinstance(value, dict) and _is_of_a_kind(below, value):
            value = _merge(below, value)
        merged[key] = value
    return merged


def _is_of_a_kind(base: dict[str, Any], own: dict[str, Any]) -> bool:
    return "type" not in own or own["type"] == base.get("type")
