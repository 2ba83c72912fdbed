"""The reward-KL frontier: what each nat of distance from the reference bought."""

from collections.abc import Sequence
from html import escape
from math import isfinite, log10
from typing import Any

import plotly.graph_objects as go

from dpo_ray.report.figures import frontier as figures
from dpo_ray.report.figures import scales
from dpo_ray.report.figures.frontier import Point
from dpo_ray.report.page import axes, charts, units
from dpo_ray.report.page.material import Material
from dpo_ray.report.page.pictures import picture
from dpo_ray.report.page.rooms import Chart, Room
from dpo_ray.tracking.wording import number

FRONT, PICK = "#CC79A7", "#009E73"


def frontier(material: Material) -> Room | None:
    """Return the chart; None where no checkpoint has both numbers."""
    state = material.state
    found = figures.points(state)
    if not found:
        return None
    name, space = scales.across(state)
    chart = Chart(
        id="frontier-all",
        title="Win rate against KL",
        figure=charts.figure(
            [*_paths(found), *_front(found), *_points(found, name, space), *_rings(material)],
            axes.axis("KL from the reference, nats per completion", rangemode="tozero"),
            axes.axis(units.titled("win_rate")),
            shapes=[charts.baseline(0.5, "reference")],
        ),
        words=f"Win rate against KL of {len(found)} checkpoints, and their Pareto front",
        height=420,
        is_wide=True,
    )
    return Room(
        id="frontier",
        title="What each nat bought",
        words=[_words(material, name)],
        charts=[chart],
        picture=picture(lambda: figures.frontier(state)),
    )


def _words(material: Material, name: str) -> str:
    chosen, control = figures.pick(material.state), material.control
    marked = [f"the green ring is {_ring(chosen.label)}"] if chosen else []
    if control is not None and control.trial is not None and control.trial.rungs:
        marked.append("the vermilion diamond is the default configuration at its end")
    said = "; ".join(marked)
    return (
        "Every checkpoint of every trial; thin lines join those of one trial, its last is the "
        f"largest, and the colour is {axes.words_of(name)}. Above and to the left is better: the "
        "pink line is the best known at each distance from the reference (0 nats)"
        f"{'; ' if said else ''}{said}."
    )


def _ring(label: str) -> str:
    return {"recommended, confirmed": "what is recommended and confirmed"}.get(
        label, f"the {label}"
    )


def _by_trial(found: Sequence[Point]) -> list[list[Point]]:
    trials: dict[int, list[Point]] = {}
    for each in found:
        trials.setdefault(each.trial.number, []).append(each)
    return list(trials.values())


def _paths(found: Sequence[Point]) -> list[Any]:
    """All trials in one trace with gaps: hundreds would be slow to draw."""
    kl: list[float | None] = []
    wins: list[float | None] = []
    for own in _by_trial(found):
        kl += [*(each.kl for each in own), None]
        wins += [*(each.win_rate for each in own), None]
    alpha = min(0.35, max(0.08, 12 / len(_by_trial(found))))
    grey = {"color": f"rgba(128,128,128,{alpha:.2f})", "width": 1}
    return [go.Scatter(x=kl, y=wins, mode="lines", line=grey, hoverinfo="skip")]


def _front(found: Sequence[Point]) -> list[Any]:
    best = figures.front(found)
    line = {"color": FRONT, "width": 3, "shape": "hv"}
    kl, wins = [0.0, *(each.kl for each in best)], [0.5, *(each.win_rate for each in best)]
    return [go.Scatter(x=kl, y=wins, mode="lines", line=line, hoverinfo="skip")]


def _points(found: Sequence[Point], name: str, space: dict[str, Any]) -> list[Any]:
    last = {each.trial.number: each.step for each in found}
    sound = [each for each in found if not each.failed]
    broken = [each for each in found if each.failed]
    places = [scales.place(each.trial.params, name, space) for each in sound]
    sizes = [10 if last[each.trial.number] == each.step else 6 for each in sound]
    traces = [_scatter(sound, {"size": sizes, "symbol": "circle", **_colours(places, name, space)})]
    return traces + ([_scatter(broken, charts.marker(charts.FAILED))] if broken else [])


def _scatter(points: Sequence[Point], marker: dict[str, Any]) -> Any:
    shown = ("win_rate", "kl", "gold_reward")
    return go.Scatter(
        x=[each.kl for each in points],
        y=[each.win_rate for each in points],
        mode="markers",
        marker=marker,
        text=[charts.hover(each.trial, each.step, each.metrics, shown) for each in points],
        hovertemplate="%{text}<extra></extra>",
    )


def _colours(places: Sequence[float], name: str, space: dict[str, Any]) -> dict[str, Any]:
    """The searched parameter as a colour on its own scale; one colour where nobody has it."""
    known = [each for each in places if isfinite(each)]
    if not known:
        return {"color": "#0072B2"}
    log = bool(space.get("log"))
    bar: dict[str, Any] = {
        "title": {"text": escape(axes.words_of(name)), "side": "right"},
        "thickness": 12,
        "outlinewidth": 0,
    }
    if "choices" in space:
        labels = [number(each) for each in space["choices"]]
        bar |= {
            "tickmode": "array",
            "tickvals": list(range(len(labels))),
            "ticktext": [escape(each) for each in labels],
        }
        low, high = 0.0, max(len(labels) - 1.0, 1.0)
    else:
        low, high = space.get("low", min(known)), space.get("high", max(known))
    if log:
        ticks = axes.ones_twos_fives(low, high)
        labels = [number(each) for each in ticks]
        bar |= {"tickmode": "array", "tickvals": [log10(t) for t in ticks], "ticktext": labels}
        low, high, places = log10(low), log10(high), [log10(each) for each in places]
    return {
        "color": list(places), "cmin": low, "cmax": high, "colorscale": "Viridis",
        "colorbar": bar, "line": {"width": 0.8, "color": "#ffffff"},
    }  # fmt: skip


def _rings(material: Material) -> list[Any]:
    """Rings that leave a point's colour to be seen."""
    found = figures.points(material.state)
    default = [each for each in found if each.trial.is_control and not each.failed][-1:]
    chosen = figures.pick(material.state)
    picked = (chosen.trial, chosen.step) if chosen else None
    pick = [each for each in found if (each.trial.number, each.step) == picked]
    rings = ((default, "diamond-open", 15, "#D55E00"), (pick, "circle-open", 18, PICK))
    return [
        go.Scatter(
            x=[each.kl for each in points],
            y=[each.win_rate for each in points],
            mode="markers",
            marker={"symbol": symbol, "size": size, "color": ink, "line": {"width": 2.4}},
            hoverinfo="skip",
        )
        for points, symbol, size, ink in rings
        if points
    ]
