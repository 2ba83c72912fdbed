"""Which searched settings matter: their importances, and each one against the objective."""

from html import escape

import plotly.graph_objects as go

from dpo_ray.report.figures import scales
from dpo_ray.report.figures.overview import LOOKS, look_of
from dpo_ray.report.page import axes, charts
from dpo_ray.report.page.charts import Mark
from dpo_ray.report.page.importances import importances, is_drawn
from dpo_ray.report.page.material import Material
from dpo_ray.report.page.rooms import Chart, Room
from dpo_ray.report.page.units import objective_titled
from dpo_ray.report.ranking import RankedRow
from dpo_ray.tracking.objective import objective_value
from dpo_ray.tracking.ranges import Range
from dpo_ray.tracking.state import SweepState

ENOUGH = 30
"""Trials below which an importance is a rough hint."""


def settings(material: Material) -> Room | None:
    """Return importances and slices; None before a trial was evaluated."""
    state = material.state
    rows = [row for row in material.rows if row.place is not None]
    names = [name for name in state.parameters if is_drawn(state.parameters[name])]
    if not rows or not names:
        return None
    found = importances(state, rows)
    metric = axes.words_of(state.objective[0])
    slices = [_slice(state, rows, name) for name in names]
    return Room(
        id="settings",
        title="Which settings matter",
        words=_words(len(rows), found, names, metric),
        charts=[*([_bars(found, metric)] if found else []), *slices],
        legend=[look.label for look in LOOKS if any(look_of(row) == look for row in rows)],
    )


def _words(trials: int, found: dict[str, float], names: list[str], metric: str) -> list[str]:
    said = [f"Each setting against {metric}, every trial at its best checkpoint."]
    if not found:
        return [f"Too few trials, or too alike, to say which settings matter. {said[0]}"]
    hint = f" From {trials} trials this is a rough hint." if trials < ENOUGH else ""
    out = [name for name in names if name not in found]
    left = f" Left out, since some trials lack them: {', '.join(out)}." if out else ""
    said.append(
        f"Importance is the share of the variance of {metric} over the searched space that a "
        f"setting explains alone or with others (fANOVA).{hint}{left}"
    )
    return said


def _bars(found: dict[str, float], metric: str) -> Chart:
    names = list(found)[::-1]
    bars = go.Bar(
        x=[found[name] for name in names],
        y=[escape(axes.words_of(name)) for name in names],
        orientation="h",
        marker={"color": "#0072B2"},
        texttemplate="%{x:.0%}",
        textposition="outside",
        hovertemplate="%{y}: %{x:.1%}<extra></extra>",
    )
    share = axes.axis("share of the variance explained", range=[0, 1.15], tickformat=".0%")
    return Chart(
        id="settings-importances",
        title="Importance",
        figure=charts.figure([bars], share, {"showgrid": False}, bargap=0.35),
        words=f"Importance for {metric}: "
        + ", ".join(f"{name} {found[name]:.0%}" for name in found),
    )


def _slice(state: SweepState, rows: list[RankedRow], name: str) -> Chart:
    space, metric, title = state.parameters[name], state.objective[0], objective_titled(state)
    found = [_mark(state, row, name, space, metric) for row in rows if row.trial is not None]
    return Chart(
        id=f"settings-{name}",
        title=axes.capital(axes.words_of(name)),
        figure=charts.figure(
            charts.marks(found, LOOKS), axes.across(name, space), axes.axis(title)
        ),
        words=f"{title} of {len(found)} trials against {axes.words_of(name)}",
        height=260,
    )


def _mark(state: SweepState, row: RankedRow, name: str, space: Range, metric: str) -> Mark:
    assert row.trial is not None
    return Mark(
        x=scales.place(row.trial.params, name, space),
        y=objective_value(row.metrics, state.objectives[0]),
        look=look_of(row),
        words=charts.hover(row.trial, row.step, row.metrics, (metric, "kl")),
    )
