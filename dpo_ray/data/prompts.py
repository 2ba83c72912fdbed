"""The prompt that both answers begin with, where the source gives none of its own."""

from collections.abc import Mapping, Sequence
from typing import Any


def split_prompt(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return prompt, chosen and rejected of a row whose answers both begin with the prompt.

    The prompt is the longest shared beginning, of characters or of messages, and a space before
    the first difference belongs to the answers: TRL's rule (trl/data_utils.py, extract_prompt).
    Where that rule fails (nothing shared, or one answer continues the other) at least one
    character or message is left to each answer.
    """
    chosen, rejected = row["chosen"], row["rejected"]
    length = min(shared_length(chosen, rejected), len(chosen) - 1, len(rejected) - 1)
    if length > 0 and chosen[length - 1] == " ":
        length -= 1
    length = max(length, 0)
    return {"prompt": chosen[:length], "chosen": chosen[length:], "rejected": rejected[length:]}


def shared_length(one: Sequence[Any], other: Sequence[Any]) -> int:
    """Count the items, characters or messages, that both begin with."""
    for position, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return position
    return min(len(one), len(other))


def prompt_text(prompt: Any) -> str:
    """Return what a judge reads of a prompt: the string, or the messages' texts line by line."""
    if isinstance(prompt, str):
        return prompt
    return "".join(f"{message.get('content') or ''}\n" for message in prompt)
