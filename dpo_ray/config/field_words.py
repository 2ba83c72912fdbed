"""What a field may be, and what it is where nothing is said, in words, from its JSON Schema."""

from typing import Any

Schema = dict[str, Any]


def allowed(field: Schema) -> str:
    """Say what a value may be: its kind and its bounds, or its choices."""
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if alternatives := field.get("anyOf") or field.get("oneOf"):
        told = dict.fromkeys(allowed(each) for each in alternatives if each.get("type") != "null")
        return " or ".join(told)
    if "$ref" in field or _is_mapping(field):
        return "keys of its own"
    if field.get("type") == "array":
        return f"a list of {allowed(field['items'])}"
    return _kind(field) + _bounds(field)


def _is_mapping(field: Schema) -> bool:
    return field.get("type") == "object"


def _kind(field: Schema) -> str:
    kinds = {"integer": "whole number", "string": "text", "boolean": "`true` or `false`"}
    return kinds.get(field.get("type", ""), "number")


def _bounds(field: Schema) -> str:
    words = {
        "minimum": "at least {}",
        "exclusiveMinimum": "above {}",
        "maximum": "at most {}",
        "exclusiveMaximum": "below {}",
    }
    told = [text.format(_number(field[key])) for key, text in words.items() if key in field]
    return f", {', '.join(told)}" if told else ""


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def default(field: Schema) -> str:
    """Return the value a field has by itself; `below` where the page shows its keys."""
    value = field.get("default")
    if value is None:
        return "not set"
    if isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(v, dict) for v in value)
    ):
        return "below" if value else "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value != [] else "none"
