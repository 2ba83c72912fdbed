"""YAML 1.2 to plain values with the place of each; the text may be hostile."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    Event,
    ScalarEvent,
)
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from dpo_ray.errors import ConfigError

MAX_DEPTH = 12
_CONVERTED = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float")}

KeyPath = tuple[str | int, ...]
Places = dict[KeyPath, str]
At = Callable[[int], str]
"""Names a line, counted from 1, for an error."""


def parse(text: str, at: At, places: Places, path: KeyPath = ()) -> Any:
    """Return the values in `text`; write down in `places` where each stands, below `path`."""
    try:
        _refuse_hostile(text, at)
        yaml = _yaml()
        node = yaml.compose(text)
        return None if node is None else _Builder(yaml, at, places).value(node, path)
    except MarkedYAMLError as error:
        raise ConfigError(_syntax(error, at)) from error
    except YAMLError as error:
        problem = str(error).splitlines()[0]
        raise ConfigError(f"{at(1)}: not valid YAML: {problem}") from error


def _syntax(error: MarkedYAMLError, at: At) -> str:
    """Name where the reader gave up, and where what it was reading began."""
    mark = error.problem_mark or error.context_mark
    begun = ""
    if error.context and error.context_mark:
        begun = f"{error.context} from line {error.context_mark.line + 1}, "
    return f"{at(mark.line + 1 if mark else 1)}: not valid YAML: {begun}{error.problem}"


def parse_scalar(text: str, place: str) -> Any:
    """Turn unquoted text into the number, truth value, nothing or text that YAML takes it for."""
    yaml = _yaml()
    node = ScalarNode(str(yaml.resolver.resolve(ScalarNode, text, (True, False))), text)
    return _scalar(yaml, node, place)


def _yaml() -> YAML:
    return YAML(typ="safe", pure=True)


def _refuse_hostile(text: str, at: At) -> None:
    """Look at the flat stream of events before anything is built from it."""
    depth = 0
    for event in _yaml().parse(text):
        where = at(event.start_mark.line + 1)
        if isinstance(event, AliasEvent):
            name = event.anchor
            raise ConfigError(f"{where}: aliases are not allowed, got *{name}; write the value out")
        if tag := _tag(event):
            raise ConfigError(f"{where}: tags are not allowed, got {tag}")
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ConfigError(f"{where}: must be nested at most {MAX_DEPTH} deep, got more")


def _tag(event: Event) -> str | None:
    if not isinstance(event, ScalarEvent | CollectionStartEvent) or event.tag is None:
        return None
    return str(event.tag).replace("tag:yaml.org,2002:", "!!")


@dataclass(frozen=True)
class _Builder:
    yaml: YAML
    at: At
    places: Places

    def value(self, node: Node, path: KeyPath) -> Any:
        where = self.places.setdefault(path, self.at(node.start_mark.line + 1))
        if isinstance(node, MappingNode):
            return self._map(node, path)
        if isinstance(node, SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return _scalar(self.yaml, node, where)

    def _map(self, node: MappingNode, path: KeyPath) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            where = self.at(key_node.start_mark.line + 1)
            key = _scalar(self.yaml, key_node, where) if isinstance(key_node, ScalarNode) else None
            if not isinstance(key, str):
                raise ConfigError(f"{where}: keys must be text, got {key_node.value or 'nothing'}")
            if key in values:
                first = self.places[(*path, key)]
                raise ConfigError(f"{where}: {key}: written twice, first at {first}")
            self.places[(*path, key)] = where
            values[key] = self.value(value_node, (*path, key))
        return values


def _scalar(yaml: YAML, node: Node, place: str) -> Any:
    """Dates, merge keys and the like stay the text they are."""
    if str(node.tag) not in _CONVERTED:
        return _text(node.value, place)
    try:
        return yaml.constructor.construct_object(node)
    except ValueError:  # thousands of digits
        raise ConfigError(
            f"{place}: must be a readable number, got {len(node.value):,} digits"
        ) from None


def _text(value: str, place: str) -> str:
    """Join characters that are written as two escapes, as JSON writes those beyond U+FFFF."""
    if value.isascii():
        return value
    try:
        return value.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise ConfigError(f"{place}: must be readable text, got half of a surrogate pair") from None
