"""Curves and frontiers of several sweeps on one another."""

from collections.abc import Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from dpo_ray.report.figures import frontier as figures
from dpo_ray.report.figures import scales
from dpo_ray.report.figures.drawing import Look
from dpo_ray.report.page import axes, charts, units
from dpo_ray.report.page.charts import Mark
from dpo_ray.report.page.material import Material
from dpo_ray.report.page.rooms import Chart, Room

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "D", "*")


def overlaid(found: Sequence[Material]) -> Room:
    """Overlay the searched parameter and the frontier, where all sweeps have the same parameter."""
    ways = [scales.across(each.state) for each in found]
    names = {name for name, _ in ways}
    looks = [
        Look(each.name, COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)], 7)
        for i, each in enumerate(found)
    ]
    metric = found[0].state.objective[0]
    drawn = [_frontier(found, looks)]
    if len(names) == 1 and names <= found[0].state.parameters.keys():
        name, space = ways[0][0], _joined([space for _, space in ways])
        both = dict.fromkeys((metric, "kl"))  # the objective may be KL itself
        drawn = [_against(found, looks, name, space, each) for each in both] + drawn
    legend = ", ".join(f"{look.label}: {_word(look)}" for look in looks)
    return Room("curves", "On one another", [f"{legend}."], charts=drawn)


def _word(look: Look) -> str:
    shapes = {"o": "circles", "D": "diamonds", "*": "stars"}
    inks = dict(
        zip(COLOURS, ("blue", "vermilion", "green", "pink", "orange", "sky-blue"), strict=True)
    )
    return f"{inks[look.colour]} {shapes[look.marker]}"


def _joined(spaces: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return a range that holds all; choices in the order in which they are met."""
    if any("choices" in space for space in spaces):
        choices = [choice for space in spaces for choice in space.get("choices", [])]
        return {"choices": list(dict.fromkeys(choices))}
    known = [space for space in spaces if "low" in space]
    if not known:
        return {}
    low, high = min(each["low"] for each in known), max(each["high"] for each in known)
    return {"low": low, "high": high, "log": any(each.get("log") for each in known)}


def _against(
    found: Sequence[Material], looks: Sequence[Look], name: str, space: dict[str, Any], metric: str
) -> Chart:
    marks = [
        Mark(
            x=scales.place(row.trial.params, name, space),
            y=row.metrics.get(f"eval/{metric}", float("nan")),
            look=look,
            words=f"{escape(each.name)}<br>"
            + charts.hover(row.trial, row.step, row.metrics, (metric, "kl")),
            low=row.metrics.get(f"eval/{metric}_low"),
            high=row.metrics.get(f"eval/{metric}_high"),
        )
        for each, look in zip(found, looks, strict=True)
        for row in each.rows
        if row.place is not None and row.trial is not None
    ]
    words = axes.words_of(metric)
    return Chart(
        id=f"curves-{metric.replace('/', '-')}",
        title=f"{axes.capital(words)} against {axes.words_of(name)}",
        figure=charts.figure(
            charts.marks(marks, looks), axes.across(name, space), axes.axis(units.titled(metric))
        ),
        words=f"{words} of all trials against {axes.words_of(name)}, a look for each sweep",
    )


def _frontier(found: Sequence[Material], looks: Sequence[Look]) -> Chart:
    traces = []
    for each, look in zip(found, looks, strict=True):
        best = figures.front(figures.points(each.state))
        traces.append(
            go.Scatter(
                x=[0.0, *(point.kl for point in best)],
                y=[0.5, *(point.win_rate for point in best)],
                text=[escape(f"{each.name}: the reference")]
                + [
                    charts.hover(point.trial, point.step, point.metrics, ("win_rate", "kl"))
                    for point in best
                ],
                hovertemplate="%{text}<extra></extra>",
                mode="lines+markers",
                line={"color": look.colour, "width": 2.4, "shape": "hv"},
                marker=charts.marker(look),
            )
        )
    return Chart(
        id="curves-frontier",
        title="Pareto fronts: win rate against KL",
        figure=charts.figure(
            traces,
            axes.axis("KL from the reference, nats per completion", rangemode="tozero"),
            axes.axis(units.titled("win_rate")),
            shapes=[charts.baseline(0.5, "reference")],
        ),
        words="The best win rate known at each KL, a line for each sweep",
    )
