"""How the work on a split is cut into parts that any worker may do, in any order."""

from collections.abc import Mapping
from dataclasses import dataclass

ROWS = 2048
"""Largest shard: what a worker holds in memory at a time, and loses when it dies."""
PARTS = 16
"""A small source is still cut into so many, to keep several workers busy."""


@dataclass(frozen=True)
class Shard:
    """Rows `start` to `stop` (exclusive) of a part of the data, most often a split."""

    part: str
    start: int
    stop: int

    @property
    def name(self) -> str:
        """`train-00002048`: sorts in row order."""
        return f"{self.part}-{self.start:08d}"


def plan_shards(counts: Mapping[str, int], batch_size: int) -> list[Shard]:
    """Cut parts of `counts` rows each into shards of whole batches.

    The cut depends on nothing but its arguments, so a later process, with more or fewer workers,
    finds the same shards and goes on from those that are done. Batches are those of the uncut
    part, so a score does not depend on the cut either.
    """
    total = sum(counts.values())
    wanted = min(ROWS, max(1, -(-total // PARTS)))
    size = -(-wanted // batch_size) * batch_size
    return [
        Shard(part, start, min(start + size, count))
        for part, count in counts.items()
        for start in range(0, count, size)
    ]
