"""Which rows train, which validate, which stay unseen until the end."""

import hashlib
import json
from typing import Any, Literal

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


def split_of(prompt: Any, validation: float, test: float) -> Split:
    """Assign a prompt to a split by its content alone.

    The same prompt lands in the same split in every row, file and night, so none can stand in
    two. `validation` and `test` are expected fractions of prompts; sizes vary as of coin tosses.
    """
    text = json.dumps(prompt, sort_keys=True, ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    if position < test:
        return "test"
    return "validation" if position < test + validation else "train"
