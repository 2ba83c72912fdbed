"""The page about all nights of a schedule: champion, best configuration and cost, by night."""

from collections.abc import Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from dpo_ray.config.redaction import redact_text
from dpo_ray.nightly.found import Found, state_of
from dpo_ray.nightly.table import standing
from dpo_ray.report.figures.drawing import Look
from dpo_ray.report.page import axes, charts
from dpo_ray.report.page.rooms import NOTHING, Cell, Chart, Room, Row, Table, number_cell
from dpo_ray.report.page.writing import Page
from dpo_ray.tracking.records import Metrics
from dpo_ray.tracking.wording import configuration, duration, number, with_interval

CHAMPION = Look("champion", "#D55E00", "D", 6.5)
OWN = Look("policy of the night", "#0072B2", "o", 6)
HEADS = (
    "night (UTC)",
    "state",
    "score [95 %]",
    "recommended",
    "champion",
    "trials",
    "time",
    "sweep",
)
LEGEND = {"showlegend": True, "legend": {"orientation": "h", "y": 1.12, "x": 0}}


def trend_page(name: str, nights: Sequence[Found]) -> Page:
    """Return the page of a schedule; nights come by tick, the first first."""
    ran = [each for each in nights if each.params is not None]
    found = [_scores(ran), *_searched(ran), _cost(ran), _table(nights)]
    return Page(
        title=name,
        question="What the nights found, and what is served",
        standing=_standing(nights),
        headline=headline(nights),
        rooms=[room for room in found if room is not None],
    )


def headline(nights: Sequence[Found]) -> str:
    """Say who is the champion, and what the last night did to it."""
    compared = [each for each in nights if each.champion is not None]
    if not compared:
        return "No night has compared its policy with a champion."
    last = compared[-1]
    assert last.champion is not None
    reason = redact_text(last.champion.reason)
    return f"{last.champion.model}, night of {last.night.tick:%Y-%m-%d}: {reason}."


def champion_score(each: Found) -> Metrics:
    """Return what the champion scored in a night, the new one where it changed hands then.

    As `eval/champion` with `_low` and `_high`; empty where there was none.
    """
    if each.champion is None:
        return {}
    who = "challenger" if each.champion.promoted else "champion"
    return _renamed(each.champion.metrics, f"champion/{who}")


def own_score(each: Found) -> Metrics:
    """Return the score of the night's own policy, on the champion's prompts where it met one."""
    met = {} if each.champion is None else _renamed(each.champion.metrics, "champion/challenger")
    return met or {
        name.replace(f"eval/{each.metric}", "eval/champion"): value
        for name, value in (each.score or {}).items()
    }


def _renamed(metrics: Metrics, name: str) -> Metrics:
    ends = {end: metrics.get(f"{name}{end}") for end in ("", "_low", "_high")}
    return {f"eval/champion{end}": value for end, value in ends.items() if value is not None}


def _scores(ran: Sequence[Found]) -> Room | None:
    if not ran:
        return None
    metric = axes.words_of(ran[-1].metric)
    series = [(OWN, own_score), (CHAMPION, champion_score)]
    traces = [_trace(ran, look, score) for look, score in series if any(map(score, ran))]
    unit = f"{metric}, 95 % interval"
    return Room(
        id="scores",
        title="What is served, night by night",
        words=[
            "Both answer each night's unseen test prompts, the champion again every night. Where "
            "the prompts change, nights are not comparable with each other; the two policies of "
            "one night are. Where both stand at the same point the night's policy took the place."
        ],
        charts=[
            Chart(
                "scores", f"Champion and challenger: {metric}",
                charts.figure(traces, _nights_axis(), axes.axis(unit), **LEGEND),
                words=f"{metric} of the champion and of each night's policy, {len(ran)} nights",
                is_wide=True,
            )
        ],
    )  # fmt: skip


def _trace(ran: Sequence[Found], look: Look, score: Any) -> Any:
    own = [(each, found) for each in ran if (found := score(each))]
    values = [found["eval/champion"] for _, found in own]
    above = [
        found.get("eval/champion_high", v) - v for (_, found), v in zip(own, values, strict=True)
    ]
    below = [
        v - found.get("eval/champion_low", v) for (_, found), v in zip(own, values, strict=True)
    ]
    return go.Scatter(
        x=[_at(each) for each, _ in own],
        y=values,
        mode="lines+markers",
        line={"color": charts.faded(look.colour, 0.4), "width": 1.5},
        marker=charts.marker(look),
        error_y={"type": "data", "symmetric": False, "array": above, "arrayminus": below,
                 "thickness": 1.2, "width": 0, "color": charts.faded(look.colour)},
        text=[_hover(each, found) for each, found in own],
        hovertemplate="%{text}<extra></extra>",
        name=escape(look.label),
    )  # fmt: skip


def _hover(each: Found, found: Metrics) -> str:
    lines = [
        f"{each.night.tick:%Y-%m-%d %H:%M} UTC",
        f"{axes.words_of(each.metric)} {with_interval(found, 'champion')}",
        configuration(each.params or {}),
    ]
    return "<br>".join(escape(line) for line in lines)


def _searched(ran: Sequence[Found]) -> list[Room | None]:
    names = list(dict.fromkeys(name for each in ran for name in each.params or {}))
    found = [chart for name in names if (chart := _of_parameter(ran, name)) is not None]
    if not found:
        return [None]
    words = ["The configuration that each night recommends. One that keeps jumping is not settled."]
    return [Room("best", "The best configuration, night by night", words, charts=found)]


def _of_parameter(ran: Sequence[Found], name: str) -> Chart | None:
    own = [each for each in ran if name in (each.params or {})]
    values = [(each.params or {})[name] for each in own]
    plain = [value for value in values if isinstance(value, int | float)]
    numbers = len(plain) == len(values)
    title = axes.words_of(name)
    y = _numbers(title, plain) if numbers else axes.axis(title, type="category")
    trace = go.Scatter(
        x=[_at(each) for each in own],
        y=values if numbers else [str(value) for value in values],
        mode="lines+markers",
        line={"color": charts.faded(OWN.colour, 0.4), "width": 1.5, "shape": "hv"},
        marker=charts.marker(OWN),
        text=[_hover(each, own_score(each)) for each in own],
        hovertemplate="%{text}<extra></extra>",
    )
    figure = charts.figure([trace], _nights_axis(), y)
    return Chart(f"best-{name}", f"Best {title}", figure, f"best {title} of {len(own)} nights")


def _numbers(title: str, values: Sequence[float]) -> dict[str, Any]:
    """Return an axis that is logarithmic where the values differ by their size."""
    low, high = min(values), max(values)
    if low <= 0 or high < 4 * low:
        return axes.axis(title)
    ticks = axes.ones_twos_fives(low / 1.5, high * 1.5)
    shown = [number(float(each)) for each in ticks]
    return axes.axis(title, type="log", tickmode="array", tickvals=ticks, ticktext=shown)


def _cost(ran: Sequence[Found]) -> Room | None:
    if not ran:
        return None
    found = [_bars(ran, "minutes", "Wall time", "minutes", [each.seconds / 60 for each in ran])]
    if any(each.gpu_seconds for each in ran):
        hours = [each.gpu_seconds / 3600 for each in ran]
        found.append(_bars(ran, "gpu-hours", "GPUs held", "GPU-hours", hours))
    total = duration(sum(each.seconds for each in ran))
    return Room("cost", "Cost, night by night", [f"{len(ran)} nights took {total}."], charts=found)


def _bars(ran: Sequence[Found], name: str, title: str, unit: str, values: list[float]) -> Chart:
    bars = go.Bar(x=[_at(each) for each in ran], y=values, marker={"color": OWN.colour})
    figure = charts.figure([bars], _nights_axis(), axes.axis(unit, rangemode="tozero"))
    return Chart(name, title, figure, f"{title} of {len(ran)} nights, {unit}")


def _table(nights: Sequence[Found]) -> Room:
    rows = [_row(each) for each in reversed(nights)]
    table = Table("All nights, the last one first", HEADS, rows, is_sortable=True)
    return Room("nights", "All nights", tables=[table])


def _row(each: Found) -> Row:
    night, state = each.night, state_of(each.night)
    score = with_interval(each.score or {}, each.metric) if each.params is not None else NOTHING
    word = f"{state} ({night.exit_code})" if night.exit_code else state
    said = "" if each.champion is None else redact_text(each.champion.reason)
    cells = [
        Cell(f"{night.tick:%Y-%m-%d %H:%M}"),
        Cell(word, more=redact_text(night.reason)),
        number_cell((each.score or {}).get(f"eval/{each.metric}"), score),
        Cell(configuration(each.params) if each.params else NOTHING),
        Cell(standing(each) or NOTHING, more=said),
        number_cell(float(each.trials), str(each.trials)),
        number_cell(each.seconds, duration(each.seconds)),
        Cell(night.sweep),
    ]
    promoted = each.champion is not None and each.champion.promoted
    return Row(cells, "best" if promoted else "")


def _standing(nights: Sequence[Found]) -> str:
    if not nights:
        return "No night has run yet"
    words = [state_of(each.night) for each in nights]
    counts = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
    first, last = nights[0].night.tick, nights[-1].night.tick
    many = f"{len(nights)} night{'s' * (len(nights) != 1)}"
    return f"{many}, {first:%Y-%m-%d} to {last:%Y-%m-%d}: {counts}"


def _nights_axis() -> dict[str, Any]:
    return axes.axis("night (UTC)", type="date")


def _at(each: Found) -> str:
    return f"{each.night.tick:%Y-%m-%d %H:%M}"
