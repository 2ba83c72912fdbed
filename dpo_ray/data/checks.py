"""What a preference row must be, decided row by row without touching a file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dpo_ray.data.prompts import split_prompt

COLUMNS = ("prompt", "chosen", "rejected")
FIRST = "the first row sets the format"
Row = dict[str, Any]


@dataclass(frozen=True)
class Format:
    """The one form all rows of a source have.

    Attributes:
        conversational: lists of messages, not strings.
        implicit: there is no prompt column; both answers begin with the prompt.
        tools: there is a column of tools for the chat template.
    """

    conversational: bool
    implicit: bool = False
    tools: bool = False

    def __str__(self) -> str:
        form = "conversational" if self.conversational else "standard"
        extras = ["implicit prompt"] * self.implicit + ["tools"] * self.tools
        return ", ".join([form, *extras])


@dataclass(frozen=True)
class Problem:
    """A broken rule in one row; `text` completes the sentence "row 7: ..."."""

    row: int
    text: str


def detect_format(row: Mapping[str, Any], columns: Sequence[str]) -> Format:
    """Tell strings from lists of messages by the first column of `row` that is filled."""
    filled = next((row[column] for column in COLUMNS if row.get(column) is not None), "")
    return Format(isinstance(filled, list), "prompt" not in columns, "tools" in columns)


def check_row(number: int, row: Mapping[str, Any], expected: Format) -> Row | Problem:
    """Return row `number` (counted from 1) with its prompt split off, or the first broken rule.

    Rules: no null; every column of the source's one format; nothing empty; in conversations
    every message has a role and text or tool calls, and chosen and rejected are spoken by the
    assistant.
    """
    given = COLUMNS[1:] if expected.implicit else COLUMNS
    for column in given:
        text = _type_problem(column, row.get(column), expected)
        if text is not None:
            return Problem(number, text)
    cleaned: Row = {column: _without_nulls(row[column]) for column in given}
    if expected.implicit:
        cleaned = split_prompt(cleaned)
        if not cleaned["prompt"]:
            what = "message" if expected.conversational else "character"
            return Problem(
                number,
                "without a prompt column chosen and rejected must begin with the same prompt, "
                f"got no shared first {what}",
            )
    if expected.tools:
        tools = _tools(row.get("tools"))
        if isinstance(tools, str):
            return Problem(number, tools)
        cleaned["tools"] = tools
    for column in COLUMNS:
        text = _content_problem(column, cleaned[column])
        if text is not None:
            return Problem(number, text)
    return cleaned


def is_identical_pair(row: Mapping[str, Any]) -> bool:
    """Chosen equals rejected: nothing to prefer, so nothing to learn."""
    return bool(row["chosen"] == row["rejected"])


def _type_problem(column: str, value: Any, expected: Format) -> str | None:
    if value is None:
        return f"{column} must not be null, got null"
    if isinstance(value, list if expected.conversational else str):
        return None
    wanted = "a list of messages" if expected.conversational else "a string"
    return f"{column} must be {wanted} ({FIRST}), got {type(value).__name__}"


def _content_problem(column: str, value: Any) -> str | None:
    if isinstance(value, list):
        return _messages_problem(column, value)
    return None if value.strip() else f"{column} must not be empty, got {value!r}"


def _messages_problem(column: str, messages: list[Any]) -> str | None:
    if not messages:
        return f"{column} must hold at least one message, got an empty list"
    for message in messages:
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            return f"{column}: every message must be {{role, content}}, got {message!r}"
        content = message.get("content")
        if message.get("tool_calls") and content in (None, ""):
            continue
        if not isinstance(content, str) or not content.strip():
            return f"{column}: the {message['role']} message must not be empty, got {content!r}"
    if column != "prompt" and messages[0]["role"] != "assistant":
        return f"{column} must be spoken by the assistant, got role {messages[0]['role']!r}"
    return None


def _tools(value: Any) -> list[Any] | str | None:
    """Return the row's tools, or what is wrong with them. Null is a row without tools."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return f"tools must be a list of tools, or JSON of one, got {value!r}"
    if value is None or isinstance(value, list):
        return [_without_nulls(tool) for tool in value] if value else None
    return f"tools must be a list of tools, or JSON of one, got {type(value).__name__}"


def _without_nulls(value: Any) -> Any:
    """Drop the nulls a table adds to messages that lack what another message has."""
    if isinstance(value, Mapping):
        return {
            key: _without_nulls(inner)
            for key, inner in value.items()
            if inner is not None or key == "role"
        }
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value
