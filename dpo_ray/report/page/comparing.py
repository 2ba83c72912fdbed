"""Two sweeps or more beside each other: what differs, whether they compare, who did better."""

from dataclasses import dataclass
from math import sqrt

from dpo_ray.evaluation.answer_columns import compared_metric
from dpo_ray.report.page.axes import words_of
from dpo_ray.report.page.material import Material
from dpo_ray.report.page.numbers import as_eval, share
from dpo_ray.report.ranking import best_of
from dpo_ray.tracking.records import Metrics, Params


@dataclass(frozen=True)
class Result:
    """What a sweep recommends, and its numbers: confirmed ones where there are any."""

    name: str
    params: Params
    step: int
    total_steps: int
    metrics: Metrics
    searched: Metrics
    """The search's own numbers of it."""
    is_confirmed: bool
    is_default: bool
    """Nothing was found to be better."""


def result(material: Material) -> Result | None:
    """Return what a sweep recommends; None where no trial completed."""
    state, used = material.state, material.used
    if used is None or used.trial is None:
        return None
    trial, found = used.trial, None
    champion = None if state.verdict is None else state.verdict.champion
    if state.confirmation is not None:
        default = [i for i, each in enumerate(state.confirmation.candidates) if each.is_default]
        index = champion if champion is not None else (default or [-1])[0]
        found = state.confirmed.get(index) if state.verdict is not None else None
    return Result(
        name=used.name,
        params=trial.params,
        step=used.step,
        total_steps=trial.total_steps,
        metrics=as_eval(found.metrics) if found else used.metrics,
        searched=used.metrics,
        is_confirmed=found is not None,
        is_default=trial.is_control and state.verdict is not None and champion is None,
    )


def comparison(first: Material, second: Material) -> str:
    """Say in a sentence which of two sweeps' recommended configurations is better."""
    one, two = result(first), result(second)
    metric = compared_metric(first.state.objective[0])
    if one is None or two is None:
        lacks = first.name if one is None else second.name
        return f"{lacks} has no completed trial, so there is nothing to compare."
    both = one.is_confirmed and two.is_confirmed
    numbers = [each.metrics if both else each.searched for each in (one, two)]
    lead = _lead(numbers[0], numbers[1], metric)
    if lead is None:
        return f"{words_of(metric).capitalize()} has no interval in both, so nothing can be said."
    value, reach = lead
    unit, scale, digits = (" points", 100.0, 1) if share(metric) > 1 else ("", 1.0, 3)
    shown = [f"{scale * each:+.{digits}f}" for each in (value, value - reach, value + reach)]
    how = f"{shown[0]}{unit} [{shown[1]}, {shown[2]}]"
    where = "confirmed on fresh seeds"
    if not both:
        where = "by the scores of the searches, which are optimistic"
    if abs(value) <= reach:
        return f"{second.name} is not distinguishable from {first.name}: {how}, {where}."
    word = "better" if (value > 0) == (first.state.objective[1] == "maximize") else "worse"
    return f"{second.name} is {word} than {first.name}: {how}, {where}."


def _lead(one: Metrics, two: Metrics, metric: str) -> tuple[float, float] | None:
    """Return the second's lead and half its interval, as if both were measured apart.

    On the same prompts the true interval is narrower, so a difference that is told here is one.
    """
    found = [
        each.get(f"eval/{metric}{end}") for each in (one, two) for end in ("", "_low", "_high")
    ]
    if any(value is None for value in found):
        return None
    a, a_low, a_high, b, b_low, b_high = (float(value or 0.0) for value in found)
    return b - a, sqrt((a_high - a_low) ** 2 + (b_high - b_low) ** 2) / 2


def best_found(material: Material) -> tuple[str, Metrics] | None:
    """Return the name and numbers of the search's best; None where no trial completed."""
    best = best_of(material.rows)
    return None if best is None else (best.name, best.metrics)
