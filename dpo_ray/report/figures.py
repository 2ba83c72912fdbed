"""The sweep in one picture: beta, or what else is searched, against win rate and against KL."""

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from dpo_ray.report.ranking import RankedRow, rank
from dpo_ray.tracking.records import Metrics
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.wording import number, with_interval

_STYLE: dict[Any, Any] = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
_TITLE: dict[str, Any] = {"loc": "left", "fontsize": 9}


@dataclass(frozen=True)
class Look:
    """How one kind of trial is drawn. Colours are Okabe and Ito's; shapes differ as well."""

    label: str
    colour: str
    marker: str
    size: float
    hollow: bool = False


_BEST = Look("best", "#009E73", "*", 13)
_CONTROL = Look("default configuration", "#D55E00", "D", 6.5)
_COMPLETED = Look("completed", "#0072B2", "o", 6)
_STOPPED = Look("stopped at a rung", "0.55", "o", 5.5, hollow=True)
_LOOKS = (_STOPPED, _COMPLETED, _CONTROL, _BEST)
"""In the order of drawing: what matters most lies on top."""


def draw_sweep(state: SweepState, path: Path) -> Path:
    """Write the PNG, whole or not at all, and return its path.

    Failed and killed trials are not in it. The best is drawn as the best even where it is the
    default configuration.
    """
    with rc_context(_STYLE):
        figure = Figure(figsize=(9.6, 4.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        name, space = _across(state)
        rows = [row for row in rank(state, *state.objective) if row.place is not None]
        _win_rates(left, rows, name, space, state.reference)
        _divergences(right, rows, name, space)
        for axes in (left, right):
            _scale_across(axes, name, space, rows)
        _title_and_legend(figure, left, state)
        part = path.with_name(f".{path.name}.part")
        figure.savefig(part, format="png", dpi=160)
    part.replace(path)
    return path


def _across(state: SweepState) -> tuple[str, dict[str, Any]]:
    """The parameter on the horizontal axis: beta if it is searched, else the first."""
    names = list(state.parameters)
    name = "beta" if "beta" in names or not names else names[0]
    return name, state.parameters.get(name, {})


def _win_rates(
    axes: Axes, rows: list[RankedRow], name: str, space: dict[str, Any], reference: Metrics
) -> None:
    """Points with their 95 % intervals; the band is the reference sampled a second time."""
    low, high = (reference.get(f"eval/win_rate_{end}") for end in ("low", "high"))
    if low is not None and high is not None:
        axes.axhspan(low, high, color="0.92", zorder=0, label="reference, resampled")
    _baseline(axes, 0.5)
    for order, row, look, x in _points(rows, name, space):
        value, below, above = _interval(row.metrics)
        axes.errorbar(
            [x], [value], [[below], [above]], ecolor=look.colour, elinewidth=1, zorder=1.5,
            alpha=0.55, fmt="none",
        )  # fmt: skip
        _mark(axes, [x], [value], look, order)
    axes.set_title("Win rate against the reference, with 95 % intervals", **_TITLE)


def _divergences(axes: Axes, rows: list[RankedRow], name: str, space: dict[str, Any]) -> None:
    _baseline(axes, 0.0)
    for order, row, look, x in _points(rows, name, space):
        value = row.metrics.get("eval/kl")
        if value is not None and isfinite(value):
            _mark(axes, [x], [value], look, order)
    axes.set_title("KL from the reference, nats per completion", **_TITLE)


def _points(
    rows: list[RankedRow], name: str, space: dict[str, Any]
) -> list[tuple[int, RankedRow, Look, float]]:
    """Drawing order, row, look and place of everything that has a place on the axis."""
    places = [(row, _place(row, name, space)) for row in rows]
    looks = [(_LOOKS.index(_look(row)) + 2, row, _look(row), x) for row, x in places]
    return sorted(looks, key=lambda point: point[0])


def _look(row: RankedRow) -> Look:
    if row.is_best:
        return _BEST
    if row.is_control:
        return _CONTROL
    return _COMPLETED if row.trial and row.trial.status == "COMPLETED" else _STOPPED


def _place(row: RankedRow, name: str, space: dict[str, Any]) -> float:
    """A choice stands at its number in the list, since its values may be words."""
    value = row.trial.params[name] if row.trial else 0.0
    return float(space["choices"].index(value) if "choices" in space else value)


def _interval(metrics: Metrics) -> tuple[float, float, float]:
    """The win rate, and how far its interval reaches below and above."""
    value = metrics.get("eval/win_rate", float("nan"))
    low, high = (metrics.get(f"eval/win_rate_{end}", value) for end in ("low", "high"))
    return value, max(value - low, 0.0), max(high - value, 0.0)


def _mark(axes: Axes, x: list[float], y: list[float], look: Look, order: int) -> None:
    face = "white" if look.hollow else look.colour
    edge = look.colour if look.hollow else "white"
    axes.plot(
        x, y, look.marker, color=look.colour, markersize=look.size, markerfacecolor=face,
        markeredgecolor=edge, markeredgewidth=1.2 if look.hollow else 0.8, zorder=order + 0.5,
        linestyle="none",
    )  # fmt: skip


def _baseline(axes: Axes, y: float) -> None:
    line = (0, (4, 3))
    axes.axhline(y, color="0.45", linewidth=1, linestyle=line, zorder=1, label="reference")


def _scale_across(axes: Axes, name: str, space: dict[str, Any], rows: list[RankedRow]) -> None:
    axes.set_xlabel(name.replace("_", " "))
    axes.yaxis.grid(visible=True, color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    if "choices" in space:
        axes.set_xticks(range(len(space["choices"])), [number(v) for v in space["choices"]])
        axes.set_xlim(-0.5, len(space["choices"]) - 0.5)
    elif "low" in space:
        _scale_to_range(axes, space["low"], space["high"], bool(space.get("log")))
    if not rows:
        axes.text(0.5, 0.5, "no trial was evaluated", transform=axes.transAxes, ha="center")


def _scale_to_range(axes: Axes, low: float, high: float, log: bool) -> None:
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


def _title_and_legend(figure: Figure, axes: Axes, state: SweepState) -> None:
    rows = [row for row in rank(state, *state.objective) if row.place is not None]
    figure.suptitle(_title(state, rows), x=0.008, ha="left", fontweight="bold", fontsize=10)
    for look in reversed(_LOOKS):
        if any(_look(row) == look for row in rows):
            _mark(axes, [], [], look, 0)
            axes.lines[-1].set_label(look.label)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=len(labels), frameon=False,
        columnspacing=1.6,
    )  # fmt: skip


def _title(state: SweepState, rows: list[RankedRow]) -> str:
    """The sweep, then the two trials that its reader compares."""
    metric, _ = state.objective
    parts = [state.plan.name if state.plan else ""]
    for row in rows:
        if row.is_best or row.is_control:
            word = "best" if row.is_best else "default"
            score = f"{metric.replace('_', ' ')} {with_interval(row.metrics, metric)}"
            parts.append(f"{word} {row.name}: {score}")
    return "    ".join(parts)
