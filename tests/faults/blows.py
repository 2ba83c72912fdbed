"""A seeded plan of what is killed when."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Literal

Victim = Literal["worker", "slot", "driver", "server", "stand-in"]
RARE: tuple[Victim, ...] = ("slot", "driver", "server", "stand-in")


@dataclass(frozen=True)
class Blow:
    """What is killed, so many seconds after the beginning; `pick` chooses among several alike."""

    at_s: float
    victim: Victim
    pick: float


def plan_blows(
    seed: int, length_s: float, worker_every_s: float = 30.0, rare_every_s: float = 120.0
) -> list[Blow]:
    """Return the blows of a run in order: workers often; more rarely a slot, the driver, the
    server or a stand-in.

    Each comes half its interval early at most, or half of it late; every four rare ones are one
    of each, in an order of their own.
    """
    draw = random.Random(seed)
    often = [Blow(at, "worker", draw.random()) for at in _moments(draw, worker_every_s, length_s)]
    moments = list(_moments(draw, rare_every_s, length_s))
    victims: list[Victim] = []
    while len(victims) < len(moments):
        victims += draw.sample(RARE, len(RARE))
    rare = [Blow(at, who, draw.random()) for at, who in zip(moments, victims, strict=False)]
    return sorted([*often, *rare], key=lambda blow: blow.at_s)


def _moments(draw: random.Random, every_s: float, length_s: float) -> Iterator[float]:
    for number in count(1):
        at = every_s * (number + draw.uniform(-0.5, 0.5))
        if every_s * number > length_s:
            return
        if at <= length_s:
            yield at
