"""The workers of one slot, and how they stay of one mind.

Every rank runs the same code on the same job; only rank 0 talks to the outside. Whatever rank 0
learns there is broadcast before anyone acts on it, so that all ranks stop at the same step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """This worker's place: rank `rank` of `world`. A world of one needs no process group."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Rank 0 speaks for the group."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> list[T]:
        """Return this rank's part of a list that every rank holds in full."""
        return list(items[self.rank :: self.world])

    def agree(self, value: T) -> T:
        """Return rank 0's value on every rank. Collective."""
        if self.world == 1:
            return value
        import torch.distributed as dist

        box: list[T] = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def gather(self, value: T) -> list[T]:
        """Return every rank's value, in the order of the ranks, on every rank. Collective."""
        if self.world == 1:
            return [value]
        import torch.distributed as dist

        values: list[T | None] = [None] * self.world
        dist.all_gather_object(values, value)
        return cast(list[T], values)

    def collect(self, part: Sequence[T]) -> list[T]:
        """Undo `share`: every rank's results in the order of the full list. Collective."""
        full = self.gather(list(part))
        return [
            full[index % self.world][index // self.world]
            for index in range(sum(len(each) for each in full))
        ]
