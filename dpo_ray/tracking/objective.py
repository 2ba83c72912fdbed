"""What a sweep looks for, as numbers: pure functions of an evaluation's metrics."""

from collections.abc import Mapping, Sequence
from math import inf, isfinite, nan
from typing import Any

Objective = Mapping[str, Any]
"""A `config.objective.ObjectiveConfig` as the plan in the journal has it."""
Metrics = Mapping[str, float]
Z95 = 1.959963984540054


def objective_value(metrics: Metrics, objective: Objective) -> float:
    """Return the objective of an evaluation (`eval/*`), its penalty taken off; NaN without one.

    metric - weight * max(0, kl - budget), where a penalty is set.
    """
    value = metrics.get(f"eval/{objective.get('metric', 'win_rate')}", nan)
    penalty = objective.get("penalty")
    if penalty:
        beyond = metrics.get(f"eval/{penalty.get('metric', 'kl')}", nan) - penalty["budget"]
        value -= penalty["weight"] * max(0.0, beyond) if isfinite(beyond) else nan
    return value


def goodness(metrics: Metrics, objective: Objective) -> float:
    """Return the objective turned so that larger is better; -inf where it is not finite."""
    value = objective_value(metrics, objective)
    if not isfinite(value):
        return -inf
    return -value if objective.get("direction") == "minimize" else value


def standard_error(metrics: Metrics, objective: Objective) -> float:
    """Return the metric's standard error by its own 95 % interval; 0 where it has none."""
    name = f"eval/{objective.get('metric', 'win_rate')}"
    low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
    return 0.0 if low is None or high is None else (high - low) / (2 * Z95)


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return which points no other beats in one number without losing in the other.

    Both numbers are better when larger. Of equal points all are on the front. By falling first
    number.
    """
    order = sorted(range(len(points)), key=lambda i: points[i], reverse=True)
    front, highest, at = [], -inf, (inf, inf)
    for index in order:
        if points[index][1] > highest or points[index] == at:
            front.append(index)
            highest, at = points[index][1], points[index]
    return front


def one_standard_error_pick(
    quality: Sequence[float], errors: Sequence[float], distance: Sequence[float]
) -> int:
    """Return the nearest of those whose quality is within one standard error of the best.

    `quality` is better when larger, `distance` when smaller; the error is the best one's own.
    """
    best = max(range(len(quality)), key=lambda i: quality[i])
    mark = quality[best] - errors[best]
    equals = [i for i in range(len(quality)) if quality[i] >= mark]
    return min(equals, key=lambda i: (distance[i], -quality[i]))
