"""A page for each kind of file, from the schemas: every key with what it may be and what it means.

`python -m dpo_ray.config.pages` writes them to docs.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dpo_ray.config.field_words import Schema, allowed, default
from dpo_ray.config.schema import schemas

PAGES = {
    "sweep-file.md": (
        "sweep.schema.json",
        "# Every key of a sweep file",
        "A sweep file says everything about a run but the question. Every key has a default, so a "
        "file holds only what differs, and `--set KEY=VALUE` overrides one key: "
        "`--set training.beta=0.2`. A space searches some of the training fields; the value given "
        "here is then the control trial's.",
    ),
    "space-file.md": (
        "space.schema.json",
        "# Every key of a search space",
        "A space file asks one question: which training fields are searched, and where. "
        "[spaces.md](spaces.md) explains branches, ties and samplers.",
    ),
}
MADE = "<!-- Made by `python -m dpo_ray.config.pages`; change the fields' own words instead. -->"


def pages() -> dict[str, str]:
    """Return each page's text in Markdown under its file name."""
    found = schemas()
    return {name: _page(found[kind], *words) for name, (kind, *words) in PAGES.items()}


def _page(schema: Schema, title: str, opening: str) -> str:
    defs = schema["$defs"]
    parts = [title, MADE, opening, *_keys("", schema, defs)]
    return "\n\n".join(parts) + "\n"


def _section(key: str, kind: str, defs: dict[str, Schema], words: str = "") -> Iterator[str]:
    """One model: its heading, what it is (`words`, else its own), its keys, then those inside."""
    model = defs[kind]
    choice = model["properties"].get("type", {}).get("const")
    named = f"`{key}`" + (f" of type `{choice}`" if choice else "")
    yield f"{'#' * min(4, 2 + key.count('.'))} {named}"
    yield _line(words or model.get("description", ""))
    yield from _keys(key, model, defs)


def _keys(key: str, model: Schema, defs: dict[str, Schema]) -> Iterator[str]:
    needed = model.get("required", [])
    inner = {name: list(_kinds(each)) for name, each in model["properties"].items()}
    plain = {name: each for name, each in model["properties"].items() if key or not inner[name]}
    if plain:
        yield _table(plain, needed, defs)
    shown: set[str] = set()
    for name, kinds in inner.items():
        below = f"{key}.{name}".lstrip(".")
        for kind in (each for each in kinds if each not in shown):
            words = "" if key else model["properties"][name].get("description", "")
            place = f"{below}.NAME" if _is_map(model, name) else below
            yield from _section(place, kind, defs, words if len(kinds) == 1 else "")
        shown.update(kinds)


def _table(fields: dict[str, Schema], needed: list[str], defs: dict[str, Schema]) -> str:
    rows = ["| key | may be | default | meaning |", "|---|---|---|---|"]
    for name, field in fields.items():
        otherwise = "needed" if name in needed else default(field)
        meaning = field.get("description") or _described(field, defs)
        cells = [f"`{name}`", allowed(field), otherwise, _line(meaning)]
        rows.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    return "\n".join(rows)


def _kinds(field: Schema) -> Iterator[str]:
    """Yield the names of the models that a field may hold, each once."""
    seen: set[str] = set()
    for name in _references(field):
        if name not in seen:
            seen.add(name)
            yield name


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].rpartition("/")[2]
        for key, each in schema.items():
            if key not in ("default", "discriminator"):
                yield from _references(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from _references(each)


def _is_map(model: Schema, name: str) -> bool:
    field = model["properties"][name]
    return any(
        isinstance(field.get(key), dict) for key in ("additionalProperties", "patternProperties")
    )


def _described(field: Schema, defs: dict[str, Schema]) -> str:
    kinds = list(_kinds(field))
    return str(defs[kinds[0]].get("description", "")) if kinds else ""


def _line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    for name, text in pages().items():
        (Path(sys.argv[1] if len(sys.argv) > 1 else "docs") / name).write_text(
            text, encoding="utf-8"
        )
