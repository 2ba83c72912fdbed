"""Turns what pydantic found in a document into one ConfigError, a line for each finding."""

import re
from collections.abc import Iterator, Sequence
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from dpo_ray.config.document import Document
from dpo_ray.config.parsing import KeyPath
from dpo_ray.config.wording import did_you_mean, problem, show
from dpo_ray.errors import ConfigError

RULES = {
    "greater_than": "must be > {gt:g}",
    "greater_than_equal": "must be >= {ge:g}",
    "less_than": "must be < {lt:g}",
    "less_than_equal": "must be <= {le:g}",
    "finite_number": "must be a finite number",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a map of keys",
    "model_type": "must be a map of keys",
    "model_attributes_type": "must be a map of keys",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
}


def explain(
    error: ValidationError, model: type[BaseModel], document: Document, *file_keys: str
) -> ConfigError:
    """Word every finding; `file_keys` are allowed at the top of the file beside the model's."""
    lines = {_line(detail, model, document, file_keys) for detail in error.errors()}
    return together(lines)


def rules(error: ValidationError) -> list[str]:
    """Word the rules alone, for values whose place only the caller knows."""
    return [detail.get("ctx", {}).get("rule") or _rule(detail) for detail in error.errors()]


def together(lines: set[str] | list[str]) -> ConfigError:
    """Make one error of many lines, ordered by file and by line number."""
    return ConfigError("\n".join(sorted(lines, key=_natural)))


def _natural(line: str) -> list[str | int]:
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", line)]


def _line(
    detail: ErrorDetails, model: type[BaseModel], document: Document, file_keys: Sequence[str]
) -> str:
    path, kind, context = _path(detail, document), detail["type"], detail.get("ctx", {})
    match kind:
        case "broken_rule":
            return problem(document, _guilty(path, context["keys"], document), context["rule"])
        case "missing":
            return problem(document, path, "is required")
        case "extra_forbidden":
            in_file = len(path) == 1 and not document.place(path).startswith("--set")
            allowed = [*(file_keys if in_file else ()), *_fields(model, detail["loc"][:-1])]
            better = [name for name in _all_keys(model) if name.endswith(f".{path[-1]}")]
            hint = did_you_mean(str(path[-1]), allowed, better)
            return problem(document, path, f"unknown key{hint}")
        case "union_tag_not_found":
            return problem(
                document, (*path, "type"), f"is required; allowed: {_kinds(model, detail)}"
            )
        case "union_tag_invalid":
            rule = f"unknown value, got {show(context['tag'])}; allowed: {_kinds(model, detail)}"
            return problem(document, _tag_path(path, document), rule)
    return problem(document, path, _rule(detail))


def _rule(detail: ErrorDetails) -> str:
    context, value = detail.get("ctx", {}), detail["input"]
    got = f"got {show(value, str(detail['loc'][-1]) if detail['loc'] else '')}"
    if detail["type"] == "literal_error":
        allowed = re.findall(r"'([^']*)'", context["expected"])
        return f"unknown value, {got}" + did_you_mean(str(value), allowed)
    rule = RULES.get(detail["type"], detail["msg"]).format(**context)
    return f"{rule}, {got}{_quotes(detail)}"


def _quotes(detail: ErrorDetails) -> str:
    """Explain the text that looks like a number."""
    if detail["type"] not in ("float_type", "int_type") or not isinstance(detail["input"], str):
        return ""
    looks_like_one = re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", detail["input"], re.IGNORECASE)
    return "; remove the quotes" if looks_like_one else ""


def _kinds(model: Any, detail: ErrorDetails) -> str:
    """List the values of `type` that tell the members of the union at a location apart."""
    for part in detail["loc"]:
        model = next(inner for inner in _below(_bare(model), part))
    return ", ".join(tag for member in get_args(_bare(model)) for tag in _tags(member))


def _path(detail: ErrorDetails, document: Document) -> KeyPath:
    """Follow pydantic's location through the values; names of union branches are not there."""
    path: KeyPath = ()
    here: Any = document.values
    for part in detail["loc"]:
        inside_map = isinstance(here, dict) and part in here
        if inside_map or (isinstance(here, list) and isinstance(part, int)):
            here, path = here[part], (*path, part)
    return (*path, detail["loc"][-1]) if detail["type"] == "missing" else path


def _tag_path(path: KeyPath, document: Document) -> KeyPath:
    """Name `type`, or the word that was written in the place of a map."""
    here: Any = document.values
    for part in path:
        here = here[part]
    return path if isinstance(here, str) else (*path, "type")


def _guilty(path: KeyPath, keys: Sequence[str], document: Document) -> KeyPath:
    """Choose, of the keys that break a rule together, the one a person wrote last or at all."""
    candidates = [(*path, *_parts(key)) for key in keys]
    written = [key for key in candidates if key in document.places]
    overridden = [key for key in written if document.places[key].startswith("--set")]
    return [*overridden, *written, *candidates, path][0]


def _parts(key: str) -> KeyPath:
    return tuple(int(part) if part.isdecimal() else part for part in key.split("."))


def _fields(model: Any, loc: tuple[str | int, ...]) -> list[str]:
    """List the keys of the model that stands at pydantic's location below `model`."""
    for part in loc:
        model = next(inner for inner in _below(_bare(model), part))
    return list(_bare(model).model_fields)


def _bare(annotation: Any) -> Any:
    """Strip what only says more about a type: annotations, and that it may be left out."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    members = [member for member in get_args(annotation) if member is not NoneType]
    optional = NoneType in get_args(annotation) and len(members) == 1
    return _bare(members[0]) if optional else annotation


def _below(annotation: Any, part: str | int) -> Iterator[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        kind = annotation.model_fields.get(str(part))
        yield from [] if kind is None else [kind.annotation]
    elif get_origin(annotation) in (dict, list):
        yield get_args(annotation)[-1]
    else:
        yield from (m for m in get_args(annotation) if part in _tags(m))


def _tags(member: Any) -> tuple[Any, ...]:
    """Return by which words pydantic's locations tell a member of a union."""
    if get_origin(member) is Annotated:
        return tuple(each.tag for each in get_args(member)[1:] if isinstance(each, Tag))
    return get_args(member.model_fields["type"].annotation)


def _all_keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield prefix + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _all_keys(field.annotation, f"{prefix}{name}.")
