"""Axes of charts, each with its title and unit."""

from html import escape
from math import log10
from typing import Any

from dpo_ray.tracking.wording import number

_MARGIN = 0.05
"""Share of a range that is left free at both ends."""


def axis(title: str, **more: Any) -> dict[str, Any]:
    """Return an axis with its title, which names the unit; numbers are never `500µ`."""
    return {"title": {"text": escape(title), "standoff": 8}, "exponentformat": "e", **more}


def across(name: str, space: dict[str, Any]) -> dict[str, Any]:
    """Return the axis of a searched parameter over all of its range.

    So an optimum at the range's end looks like one. Choices stand at their numbers.
    """
    title = words_of(name)
    if "choices" in space:
        labels = [escape(number(choice)) for choice in space["choices"]]
        places = list(range(len(labels)))
        reach = [-0.5, len(labels) - 0.5]
        return axis(title, tickmode="array", tickvals=places, ticktext=labels, range=reach)
    if "low" not in space or not space["high"] > space["low"]:
        return axis(title)
    if space.get("log"):
        low, high = log10(space["low"]), log10(space["high"])
        off = _MARGIN * (high - low)
        values = ones_twos_fives(space["low"], space["high"])
        ticks = {"tickvals": values, "ticktext": [number(each) for each in values]}
        return axis(title, type="log", range=[low - off, high + off], tickmode="array", **ticks)
    off = _MARGIN * (space["high"] - space["low"])
    return axis(title, range=[space["low"] - off, space["high"] + off])


def ones_twos_fives(low: float, high: float) -> list[float]:
    """Return the numbers 1, 2 and 5 times powers of ten from `low` to `high`."""
    exponents = range(int(log10(low)) - 2, int(log10(high)) + 2)
    found = [float(f"{lead}e{exponent}") for exponent in exponents for lead in (1, 2, 5)]
    within = [each for each in found if low * 0.999 <= each <= high * 1.001]
    return within or [low, high]


def capital(words: str) -> str:
    """Begin with a capital letter, and leave the others as they are."""
    return f"{words[:1].upper()}{words[1:]}"


def words_of(name: str) -> str:
    """`learning_rate` as it is read: `learning rate`."""
    words = {"kl": "KL", "lora_rank": "LoRA rank", "lora_alpha": "LoRA alpha"}
    return words.get(name, name.replace("_", " "))
