"""Rows that say the same twice, or the opposite, found by 8-byte fingerprints.

Sixteen bytes a row: memory hardly grows with rows. Two different rows of a million share a
fingerprint with a probability of 3 in 100 million.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Prints = NDArray[np.uint64]


def fingerprint(*parts: Any) -> int:
    """Return 64 bits of the hash of JSON values, their order included."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False)
    return int.from_bytes(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little"
    )


def pair_prints(row: Mapping[str, Any]) -> tuple[int, int]:
    """Return the fingerprints of a row, and of the row with its preference turned round."""
    prompt, chosen, rejected = row["prompt"], row["chosen"], row["rejected"]
    tools = row.get("tools")
    return (
        fingerprint(prompt, tools, chosen, rejected),
        fingerprint(prompt, tools, rejected, chosen),
    )


def repeated(prints: Prints) -> NDArray[np.bool_]:
    """Mark every row that an earlier one equals. Shape as `prints`: (rows,)."""
    first = np.zeros(len(prints), dtype=bool)
    first[np.unique(prints, return_index=True)[1]] = True
    return ~first


def contradicted(prints: Prints, turned: Prints) -> NDArray[np.bool_]:
    """Mark every row whose opposite is there, too. Shape as `prints`: (rows,)."""
    return np.isin(turned, prints)
