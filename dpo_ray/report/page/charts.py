"""What all charts share: axes with units, looks that differ in colour and shape, hover words."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite
from typing import Any

import plotly.graph_objects as go

from dpo_ray.report.figures import drawing
from dpo_ray.report.figures.drawing import Look
from dpo_ray.report.page.axes import words_of
from dpo_ray.tracking.records import Metrics
from dpo_ray.tracking.trial_row import TrialRow
from dpo_ray.tracking.wording import configuration, with_interval

FAILED = Look("failed", "0.35", "x", 6)
LEGEND = {
    look.label: look
    for look in (drawing.BEST, drawing.CONTROL, drawing.COMPLETED, drawing.STOPPED, FAILED)
}
"""Kinds of points by name. Okabe and Ito's colours; the shapes differ as well."""
SYMBOLS = {"*": "star", "D": "diamond", "o": "circle", "x": "x-thin", "|": "line-ns"}
GREY = "#8c8c8c"
_DIGITS = 5


@dataclass(frozen=True)
class Mark:
    """A point with its words, and its 95 % interval where it has one."""

    x: float
    y: float
    look: Look
    words: str
    low: float | None = None
    high: float | None = None


def figure(traces: Sequence[Any], x: dict[str, Any], y: dict[str, Any], **layout: Any) -> Any:
    """Return a figure as JSON values. The page's own style gives it inks for light and dark.

    ValueError for an attribute that plotly does not know.
    """
    quiet = {"zeroline": False, "gridcolor": "#e3e3e3", "automargin": True, "linecolor": GREY}
    made = go.Figure(
        data=list(traces),
        layout={
            "template": {},
            "margin": {"l": 8, "r": 10, "t": 10, "b": 8},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "showlegend": False,
            "hovermode": "closest",
            "hoverlabel": {"align": "left"},
            "xaxis": {**quiet, "showgrid": False, "ticks": "outside", "showline": True, **x},
            "yaxis": {**quiet, **y},
            **layout,
        },
    )
    return _short(made.to_plotly_json())


def marks(found: Sequence[Mark], looks: Sequence[Look]) -> list[Any]:
    """Return a trace for each look, the last one on top; what is not finite is left out."""
    traces = []
    for look in looks:
        own = [each for each in found if each.look == look and isfinite(each.y + each.x)]
        if own:
            traces.append(_trace(own, look))
    return traces


def _trace(own: Sequence[Mark], look: Look) -> Any:
    known = any(each.low is not None for each in own)
    above = [0.0 if each.high is None else max(each.high - each.y, 0.0) for each in own]
    below = [0.0 if each.low is None else max(each.y - each.low, 0.0) for each in own]
    bars = {
        "type": "data", "symmetric": False, "array": above, "arrayminus": below,
        "thickness": 1.2, "width": 0, "color": faded(look.colour),
    }  # fmt: skip
    return go.Scatter(
        x=[each.x for each in own],
        y=[each.y for each in own],
        mode="markers",
        marker=marker(look),
        error_y=bars if known else None,
        text=[each.words for each in own],
        hovertemplate="%{text}<extra></extra>",
        name=escape(look.label),
    )


def marker(look: Look) -> dict[str, Any]:
    """Return a look in plotly's words."""
    symbol = SYMBOLS[look.marker] + ("-open" if look.hollow and look.marker == "o" else "")
    thick = look.hollow or look.marker in "x|"
    return {
        "symbol": symbol,
        "color": colour(look.colour),
        "size": look.size * 1.35,
        "line": {"width": 1.6 if thick else 0.8, "color": colour(look.colour)},
    }


def baseline(y: float, words: str) -> dict[str, Any]:
    """Return the dashed line that values are read against."""
    return {
        "type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y, "layer": "below",
        "line": {"color": GREY, "width": 1.2, "dash": "dash"}, "name": words,
    }  # fmt: skip


def band(low: float, high: float) -> dict[str, Any]:
    """Return a faint band over the whole width."""
    return {
        "type": "rect", "xref": "paper", "x0": 0, "x1": 1, "y0": low, "y1": high,
        "fillcolor": "rgba(128,128,128,0.16)", "line": {"width": 0}, "layer": "below",
    }  # fmt: skip


def hover(trial: TrialRow, step: int, metrics: Metrics, shown: Sequence[str]) -> str:
    """Return what a point says of itself. Plotly reads tags in it, so it has none of others'."""
    lines = [f"{trial.name}, step {step} of {trial.total_steps}", configuration(trial.params)]
    lines += [f"{words_of(name)} {with_interval(metrics, name)}" for name in shown]
    return "<br>".join(escape(line) for line in lines)


def colour(name: str) -> str:
    """Return a colour of matplotlib's, its greys included, as browsers know it."""
    if name.startswith("#"):
        return name
    grey = round(255 * float(name))
    return f"#{grey:02x}{grey:02x}{grey:02x}"


def faded(name: str, alpha: float = 0.65) -> str:
    """Return a colour through which others are seen."""
    text = colour(name)
    red, green, blue = (int(text[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def _short(value: Any) -> Any:
    """Five digits are more than a screen shows; a number that is none is nothing."""
    if isinstance(value, dict):
        return {key: _short(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_short(each) for each in value]
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if isfinite(value) else None
    return value
