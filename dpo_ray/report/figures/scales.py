"""The searched parameter as an axis."""

from math import nan
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from dpo_ray.tracking.records import Params
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.wording import number

Space = dict[str, Any]


def across(state: SweepState) -> tuple[str, Space]:
    """The parameter on the horizontal axis: beta if it is searched, else the first.

    One that only some branches have would leave trials out.
    """
    trials = state.trials.values()
    names = [name for name in state.parameters if all(name in row.params for row in trials)]
    name = "beta" if "beta" in names or not names else names[0]
    return name, state.parameters.get(name, {})


def place(params: Params, name: str, space: Space) -> float:
    """A choice stands at its number in the list, since its values may be words; NaN, nowhere."""
    if name not in params:
        return nan
    value = params[name]
    return float(space["choices"].index(value) if "choices" in space else value)


def scale(axes: Axes, name: str, space: Space) -> None:
    """Label the axis, and show all of what was searched."""
    axes.set_xlabel(name.replace("_", " "))
    if "choices" in space:
        axes.set_xticks(range(len(space["choices"])), [number(v) for v in space["choices"]])
        axes.set_xlim(-0.5, len(space["choices"]) - 0.5)
    elif "low" in space:
        _to_range(axes, space["low"], space["high"], bool(space.get("log")))


def _to_range(axes: Axes, low: float, high: float, log: bool) -> None:
    """Show the whole range that was searched, so that an optimum at its end looks like one."""
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        margin = (high / low) ** 0.05
        axes.set_xlim(low / margin, high * margin)
    elif high > low:
        margin = 0.05 * (high - low)
        axes.set_xlim(low - margin, high + margin)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(float(value))))
