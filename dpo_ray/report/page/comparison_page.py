"""The page of two sweeps or more: one sentence, one table, their curves on one another."""

from collections.abc import Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from dpo_ray.evaluation.answer_columns import compared_metric
from dpo_ray.report.figures import frontier as figures
from dpo_ray.report.figures import scales
from dpo_ray.report.figures.drawing import Look
from dpo_ray.report.page import charts
from dpo_ray.report.page.charts import Mark
from dpo_ray.report.page.comparing import best_found, comparison, differences, result, unlike
from dpo_ray.report.page.material import Material
from dpo_ray.report.page.opening import lead, share, spent, standing
from dpo_ray.report.page.rooms import NOTHING, Cell, Chart, Room, Row, Table
from dpo_ray.report.page.writing import Page
from dpo_ray.tracking.wording import configuration, plain, with_interval

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "D", "*")
HEADS = (
    "sweep", "recommended", "numbers", "score", "KL, nats", "against its default",
    "best of the search", "trials",
)  # fmt: skip


def comparison_page(found: Sequence[Material]) -> Page:
    """Return the page; the first sweep is what the others are compared with."""
    names = " and ".join(each.name for each in found)
    return Page(
        title=names,
        question="What two sweeps found, beside each other" if len(found) == 2 else "",
        standing="; ".join(f"{each.name}: {standing(each)}" for each in found),
        headline=" ".join(sentences(found)),
        rooms=[_results(found), _settings(found), *_curves(found)],
    )


def sentences(found: Sequence[Material]) -> list[str]:
    """Say whether the sweeps compare at all, and if so who is better."""
    states = [each.state for each in found]
    why = unlike(states)
    if why:
        return [f"Not comparable: {'; '.join(why)}."]
    return [comparison(found[0], each) for each in found[1:]]


def results_table(found: Sequence[Material]) -> Table:
    """Return a row for each sweep: what it recommends, and the best its search had found."""
    metric = compared_metric(found[0].state.objective[0])
    heads = [f"{charts.words_of(metric)} [95 %]" if head == "score" else head for head in HEADS]
    return Table("What each sweep found", heads, [_row(each, metric) for each in found])


def _row(material: Material, metric: str) -> Row:
    state, it, best = material.state, result(material), best_found(material)
    total = Cell(f"{len(state.trials)}", is_number=True)
    if it is None:
        return Row([Cell(material.name), Cell("nothing"), *[Cell(NOTHING)] * 5, total])
    early = f", stopped at step {it.step}" if it.step < it.total_steps else ""
    searched = NOTHING if best is None else f"{best[0]}: {with_interval(best[1], metric)}"
    default = " (the default)" if it.is_default else ""
    cells = [
        Cell(material.name),
        Cell(f"{it.name}{default}: {configuration(it.params)}{early}"),
        Cell("confirmed" if it.is_confirmed else "of the search"),
        Cell(with_interval(it.metrics, metric), is_number=True),
        Cell(plain(it.metrics, "kl"), is_number=True),
        Cell(lead(it.metrics, share(metric)) or NOTHING, is_number=True),
        Cell(searched, is_number=True),
        total,
    ]
    return Row(cells)


def _results(found: Sequence[Material]) -> Room:
    words = [f"{each.name}: {spent(each.state)}" for each in found]
    return Room("results", "What each sweep found", words, tables=[results_table(found)])


def _settings(found: Sequence[Material]) -> Room:
    differ = differences([each.state for each in found])
    if not differ:
        same = "Nothing: they asked the same question with the same settings."
        return Room("differences", "What differs between them", [same])
    heads = ["setting", *(each.name for each in found)]
    rows = [Row([Cell(each.key), *(Cell(value) for value in each.values)]) for each in differ]
    words = ["Settings that change what a sweep finds; what it may cost is left out."]
    return Room(
        "differences", "What differs between them", words, tables=[Table("Settings", heads, rows)]
    )


def _curves(found: Sequence[Material]) -> list[Room]:
    """Overlay the searched parameter and the frontier, where all sweeps have the same parameter."""
    axes = [scales.across(each.state) for each in found]
    names = {name for name, _ in axes}
    looks = [
        Look(each.name, COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)], 7)
        for i, each in enumerate(found)
    ]
    metric = found[0].state.objective[0]
    drawn = [_frontier(found, looks)]
    if len(names) == 1 and names <= found[0].state.parameters.keys():
        name, space = axes[0][0], _joined([space for _, space in axes])
        drawn = [_against(found, looks, name, space, each) for each in (metric, "kl")] + drawn
    legend = ", ".join(f"{look.label}: {_word(look)}" for look in looks)
    return [Room("curves", "On one another", [f"{legend}."], charts=drawn)]


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
    title = "KL, nats per completion" if metric == "kl" else charts.words_of(metric)
    return Chart(
        id=f"curves-{metric.replace('/', '-')}",
        title=f"{title} against {charts.words_of(name)}",
        figure=charts.figure(
            charts.marks(marks, looks), charts.across(name, space), charts.axis(title)
        ),
        words=f"{title} of all trials against {charts.words_of(name)}, a look for each sweep",
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
            charts.axis("KL from the reference, nats per completion", rangemode="tozero"),
            charts.axis("win rate, share of prompts"),
            shapes=[charts.baseline(0.5, "reference")],
        ),
        words="The best win rate known at each KL, a line for each sweep",
    )
