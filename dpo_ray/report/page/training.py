"""How the trials trained: the objective at their rungs, and TRL's loss, early stops marked."""

from collections.abc import Iterator, Sequence
from html import escape
from math import isfinite
from typing import Any

import plotly.graph_objects as go

from dpo_ray.report.figures.drawing import BEST, COMPLETED, CONTROL, STOPPED, Look
from dpo_ray.report.page import axes, charts
from dpo_ray.report.page.charts import FAILED
from dpo_ray.report.page.material import LOSS, Material
from dpo_ray.report.page.rooms import Chart, Room
from dpo_ray.report.page.units import loss_titled, objective_titled
from dpo_ray.report.ranking import RankedRow
from dpo_ray.tracking.objective import objective_value

ORDER = (FAILED, STOPPED, COMPLETED, CONTROL, BEST)
MOST, ALL = 60, 6000
"""Points of a trial's loss that are drawn, the last one among them; and of all trials."""
ENDS = {"FAILED": (FAILED, "x-thin"), "KILLED": (FAILED, "x-thin"), "STOPPED": (STOPPED, "line-ns")}
"""How the last point of a training that ended early is marked, by its state."""


def training(material: Material) -> Room | None:
    """Return both charts; None before anything was logged."""
    found = [chart for chart in (_rungs(material), _losses(material)) if chart is not None]
    if not found:
        return None
    kinds = {_look(row) for row in material.rows if row.trial is not None}
    return Room(
        id="training",
        title="Training",
        words=[
            "A bar ends a trial that was stopped at a rung, a cross one that failed. The loss "
            "scales with beta: read its shape, and do not rank trials by it."
        ],
        charts=found,
        legend=[look.label for look in reversed(ORDER) if look in kinds],
    )


def _rungs(material: Material) -> Chart | None:
    state = material.state
    metric = axes.words_of(state.objective[0])
    curves = [
        (row, [(rung.step, objective_value(rung.metrics, state.objectives[0])) for rung in rungs])
        for row in material.rows
        if row.trial is not None and (rungs := row.trial.rungs)
    ]
    words = f"{axes.capital(metric)} at each rung"
    return _chart("training-rungs", words, objective_titled(state), curves, with_points=True)


def _losses(material: Material) -> Chart | None:
    most = max(min(MOST, ALL // max(len(material.losses), 1)), 2)
    curves = [
        (row, _thinned(sorted(material.losses[row.trial.number].items()), most))
        for row in material.rows
        if row.trial is not None and row.trial.number in material.losses
    ]
    return _chart("training-loss", "Training loss", loss_titled(material.state, LOSS), curves)


Curve = tuple[RankedRow, list[tuple[int, float]]]


def _chart(
    id: str, title: str, y: str, curves: Sequence[Curve], *, with_points: bool = False
) -> Chart | None:
    if not any(points for _, points in curves):
        return None
    traces = [trace for look in ORDER for trace in _lines(curves, look, with_points)]
    traces += [trace for state in ENDS for trace in _ends(curves, state)]
    return Chart(
        id=id,
        title=title,
        figure=charts.figure(traces, axes.axis("optimizer step"), axes.axis(y)),
        words=f"{title} of {len(curves)} trials over optimizer steps",
        height=360,
    )


def _lines(curves: Sequence[Curve], look: Look, with_points: bool) -> Iterator[Any]:
    """All trials of a look are one trace with gaps: hundreds of traces would be slow to draw."""
    own = [(row, points) for row, points in curves if _look(row) == look]
    if not own:
        return
    x: list[float | None] = []
    y: list[float | None] = []
    words: list[str | None] = []
    for row, points in own:
        x += [*(step for step, _ in points), None]
        y += [*(value if isfinite(value) else None for _, value in points), None]
        words += [_said(row)] * len(points) + [None]
    strong = look in (BEST, CONTROL)
    ink = charts.colour(look.colour) if strong else charts.faded(look.colour, 0.5)
    yield go.Scatter(
        x=x, y=y, text=words, mode="lines+markers" if with_points else "lines",
        line={"color": ink, "width": 2.6 if strong else 1.2},
        marker=charts.marker(look) | {"size": 8 if strong else 5},
        hovertemplate="%{text}<br>step %{x}: %{y:.3g}<extra></extra>",
    )  # fmt: skip


def _ends(curves: Sequence[Curve], state: str) -> Iterator[Any]:
    """Marks where trainings ended early, those of the best and of the default too."""
    look, symbol = ENDS[state]
    last = [
        points[-1]
        for row, points in curves
        if points and row.trial is not None and row.trial.status == state
    ]
    if last:
        ink = {"width": 2, "color": charts.colour(look.colour)}
        yield go.Scatter(
            x=[step for step, _ in last], y=[value for _, value in last], mode="markers",
            marker={"symbol": symbol, "size": 10, "line": ink}, hoverinfo="skip",
        )  # fmt: skip


def _said(row: RankedRow) -> str:
    assert row.trial is not None
    return escape(f"{row.name}, {row.trial.status.lower()}")


def _look(row: RankedRow) -> Look:
    assert row.trial is not None
    if row.is_best:
        return BEST
    if row.is_control:
        return CONTROL
    if row.trial.status in ("FAILED", "KILLED"):
        return FAILED
    return STOPPED if row.trial.status == "STOPPED" else COMPLETED


def _thinned(points: list[tuple[int, float]], most: int) -> list[tuple[int, float]]:
    every = -(-len(points) // most)
    return points if every <= 1 else [*points[:-1:every], points[-1]]
