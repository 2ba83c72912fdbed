"""A space as a list of configurations, for the sampler that tries them all."""

import math
import random
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice, product

from dpo_ray.config.branches import active, complete, root_choices
from dpo_ray.config.parameters import CategoricalParameter, Sampled, Value
from dpo_ray.config.space import SearchSpace

MAX_POINTS = 10_000
Params = dict[str, Value]


def grid(space: SearchSpace, points: int, seed: int) -> list[Params]:
    """Return every combination once, in an order that `seed` shuffles.

    In the order of counting, a grid that is cut off would have tried one corner only. Raises
    ValueError where there are more than MAX_POINTS.
    """
    every = list(islice(_combinations(space, points), MAX_POINTS + 1))
    if len(every) > MAX_POINTS:
        raise ValueError(
            f"a grid of this space has more than {MAX_POINTS:,} points; allowed: fewer choices, "
            "larger steps, or fewer search.sampler.points"
        )
    random.Random(seed).shuffle(every)
    return every


def _combinations(space: SearchSpace, points: int) -> Iterator[Params]:
    for chosen in root_choices(space):
        values = {
            name: [chosen[name]] if name in chosen else values_of(parameter, points)
            for name, parameter in active(space, chosen).items()
        }
        for combination in product(*values.values()):
            yield complete(space, dict(zip(values, combination, strict=True)))


def values_of(parameter: Sampled, points: int) -> list[Value]:
    """Return all choices, all steps of a range, or `points` values from end to end of it."""
    if isinstance(parameter, CategoricalParameter):
        return list(parameter.choices)
    low, high, step = Fraction(str(parameter.low)), Fraction(str(parameter.high)), parameter.step
    whole = parameter.type == "int"
    if step is not None and not parameter.log:
        by = Fraction(str(step))
        # Lazily: a range of a million steps is refused for its length.
        steps = range(min(int((high - low) / by), MAX_POINTS) + 1)
        return [_number(low + by * index, whole) for index in steps]
    shares = [Fraction(index, points - 1) for index in range(points)]
    if parameter.log:
        ratio = math.log(parameter.high / parameter.low)
        inner = [parameter.low * math.exp(ratio * share) for share in shares[1:-1]]
        between = [Fraction(f"{value:.6g}") for value in inner]
    else:
        between = [low + (high - low) * share for share in shares[1:-1]]
    kept = [min(max(value, low), high) for value in between]
    return list(dict.fromkeys(_number(value, whole) for value in [low, *kept, high]))


def _number(value: Fraction, whole: bool) -> Value:
    return round(value) if whole else float(value)
