"""The pages of keys say what the models say, and miss nothing."""

from pathlib import Path

import pytest

from dpo_ray.config.field_words import allowed, default
from dpo_ray.config.pages import pages
from dpo_ray.config.sweep import SweepConfig

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("name", pages())
def test_the_pages_in_docs_are_up_to_date(name):
    assert (DOCS / name).read_text(encoding="utf-8") == pages()[name], (
        "run python -m dpo_ray.config.pages"
    )


def keys(model, prefix=""):
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and hasattr(inner, "model_fields"):
            yield from keys(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def test_every_key_of_a_sweep_is_on_its_page_below_its_section():
    page = pages()["sweep-file.md"]
    sections = dict(
        part.split("\n", 1) for part in page.replace("\n#### ", "\n### ").split("\n## ")[1:]
    )
    for key in keys(SweepConfig):
        section, _, name = key.partition(".")
        if name:
            assert f"| `{name.rpartition('.')[2]}` |" in sections[f"`{section}`"], key


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ({"type": "integer", "minimum": 1, "exclusiveMaximum": 2**32}, "whole number, at least 1"),
        ({"enum": ["a", "b"]}, "`a`, `b`"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text"),
        ({"type": "array", "items": {"type": "number"}}, "a list of number"),
        ({"type": "object", "additionalProperties": {}}, "keys of its own"),
    ],
)
def test_what_a_field_may_be_in_words(field, words):
    assert allowed(field).startswith(words)


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "not set"), (True, "`true`"), (0.5, "`0.5`"), ([], "none"), ({"a": 1}, "below")],
)
def test_what_a_field_is_by_itself(value, words):
    assert default({"default": value}) == words
