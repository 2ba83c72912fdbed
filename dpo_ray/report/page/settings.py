"""Which searched settings matter: their importances, and each one against the objective."""

from html import escape
from math import isfinite
from typing import Any

import plotly.graph_objects as go

from dpo_ray.report.figures import scales
from dpo_ray.report.figures.overview import LOOKS, look_of
from dpo_ray.report.page import charts
from dpo_ray.report.page.charts import Mark
from dpo_ray.report.page.material import Material
from dpo_ray.report.page.rooms import Chart, Room
from dpo_ray.report.ranking import RankedRow
from dpo_ray.tracking.objective import objective_value
from dpo_ray.tracking.ranges import Range
from dpo_ray.tracking.state import SweepState

FEWEST, ENOUGH = 4, 30
"""Trials below which an importance says nothing, and below which it is a rough hint."""


def settings(material: Material) -> Room | None:
    """Return importances and slices; None before a trial was evaluated."""
    state = material.state
    rows = [row for row in material.rows if row.place is not None]
    names = [name for name in state.parameters if _is_drawn(state.parameters[name])]
    if not rows or not names:
        return None
    found = importances(state, rows)
    metric = charts.words_of(state.objective[0])
    title = f"{metric}{', penalty taken off' if state.objectives[0].get('penalty') else ''}"
    slices = [_slice(state, rows, name, title) for name in names]
    return Room(
        id="settings",
        title="Which settings matter",
        words=_words(len(rows), found, names, metric),
        charts=[*([_bars(found, metric)] if found else []), *slices],
        legend=[look.label for look in LOOKS if any(look_of(row) == look for row in rows)],
    )


def importances(state: SweepState, rows: list[RankedRow]) -> dict[str, float]:
    """Return each parameter's share of the objective's variance (fANOVA), the largest first.

    Over the trials that are ranked, each with its best checkpoint. Only parameters that all of
    them have; empty for too few trials, or where all are equally good.
    Hutter, Hoos, Leyton-Brown 2014, as in optuna.importance.
    """
    import optuna

    space = state.parameters
    trials = [row.trial for row in rows if row.trial is not None]
    values = [objective_value(row.metrics, state.objectives[0]) for row in rows]
    names = [
        name
        for name in space
        if _is_drawn(space[name]) and all(name in trial.params for trial in trials)
    ]
    if len(rows) < FEWEST or not names or not all(map(isfinite, values)) or len(set(values)) < 2:
        return {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction=state.objectives[0].get("direction", "maximize"))
    for trial, value in zip(trials, values, strict=True):
        params = {name: trial.params[name] for name in names}
        kinds = {name: _distribution(space[name]) for name in names}
        study.add_trial(optuna.create_trial(params=params, distributions=kinds, value=value))
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in found.items() if isfinite(share)}


def _distribution(space: Range) -> Any:
    from optuna import distributions

    if "choices" in space:
        return distributions.CategoricalDistribution(space["choices"])
    whole = space["type"] == "int"
    kind = distributions.IntDistribution if whole else distributions.FloatDistribution
    return kind(space["low"], space["high"], log=bool(space.get("log")))


def _is_drawn(space: Range) -> bool:
    return "choices" in space or "low" in space


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
        y=[escape(charts.words_of(name)) for name in names],
        orientation="h",
        marker={"color": "#0072B2"},
        texttemplate="%{x:.0%}",
        textposition="outside",
        hovertemplate="%{y}: %{x:.1%}<extra></extra>",
    )
    share = charts.axis("share of the variance explained", range=[0, 1.15], tickformat=".0%")
    return Chart(
        id="settings-importances",
        title="Importance",
        figure=charts.figure([bars], share, {"showgrid": False}, bargap=0.35),
        words=f"Importance for {metric}: "
        + ", ".join(f"{name} {found[name]:.0%}" for name in found),
    )


def _slice(state: SweepState, rows: list[RankedRow], name: str, title: str) -> Chart:
    space, metric = state.parameters[name], state.objective[0]
    found = [_mark(state, row, name, space, metric) for row in rows if row.trial is not None]
    return Chart(
        id=f"settings-{name}",
        title=charts.words_of(name).capitalize(),
        figure=charts.figure(
            charts.marks(found, LOOKS), charts.across(name, space), charts.axis(title)
        ),
        words=f"{title} of {len(found)} trials against {charts.words_of(name)}",
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
