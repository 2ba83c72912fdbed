"""What a preference row must be, decided row by row without touching a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Format = Literal["standard", "conversational"]
COLUMNS = ("prompt", "chosen", "rejected")


@dataclass(frozen=True)
class Problem:
    """A broken rule in one row; `text` completes the sentence "row 7: ..."."""

    row: int
    text: str


def detect_format(row: Mapping[str, Any]) -> Format:
    """Tell strings from lists of messages by the first column that is filled."""
    filled = next((row[column] for column in COLUMNS if row.get(column) is not None), "")
    return "conversational" if isinstance(filled, list) else "standard"


def find_problem(number: int, row: Mapping[str, Any], expected: Format) -> Problem | None:
    """Return the first rule that row `number` (counted from 1) breaks, or None.

    Rules: no null; every column of the source's one format; nothing empty; in conversations
    every message has a role and text, and chosen and rejected are spoken by the assistant.
    """
    for column in COLUMNS:
        text = _column_problem(column, row.get(column), expected)
        if text is not None:
            return Problem(number, text)
    return None


def is_identical_pair(row: Mapping[str, Any]) -> bool:
    """Chosen equals rejected: nothing to prefer, so nothing to learn."""
    return bool(row["chosen"] == row["rejected"])


def _column_problem(column: str, value: Any, expected: Format) -> str | None:
    if value is None:
        return f"{column} must not be null, got null"
    if expected == "standard":
        return _text_problem(column, value)
    if not isinstance(value, list):
        return (
            f"{column} must be a list of messages (the first row sets the format), "
            f"got {type(value).__name__}"
        )
    return _messages_problem(column, value)


def _text_problem(column: str, value: Any) -> str | None:
    if not isinstance(value, str):
        return (
            f"{column} must be a string (the first row sets the format), got {type(value).__name__}"
        )
    if not value.strip():
        return f"{column} must not be empty, got {value!r}"
    return None


def _messages_problem(column: str, messages: list[Any]) -> str | None:
    if not messages:
        return f"{column} must hold at least one message, got an empty list"
    for message in messages:
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            return f"{column}: every message must be {{role, content}}, got {message!r}"
        content = message.get("content")
        if not isinstance(content, str) or not content.strip():
            return f"{column}: the {message['role']} message must not be empty, got {content!r}"
    if column != "prompt" and messages[0]["role"] != "assistant":
        return f"{column} must be spoken by the assistant, got role {messages[0]['role']!r}"
    return None
