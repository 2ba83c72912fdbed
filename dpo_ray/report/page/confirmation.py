"""What was left of the search's scores on unseen prompts and fresh seeds."""

from html import escape
from typing import Any

import plotly.graph_objects as go

from dpo_ray.evaluation.answer_columns import compared_metric
from dpo_ray.report.figures import confirmation as figures
from dpo_ray.report.figures.confirmation import Line
from dpo_ray.report.page import axes, charts, units
from dpo_ray.report.page.material import Material
from dpo_ray.report.page.numbers import as_eval, lead, share
from dpo_ray.report.page.pictures import picture
from dpo_ray.report.page.rooms import NOTHING, Cell, Chart, Room, Row, Table, number_cell
from dpo_ray.tracking.records import CandidateConfirmed
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import trial_name
from dpo_ray.tracking.wording import configuration, with_interval

ROW = 54
"""Pixels of a candidate."""


def confirmation(material: Material) -> Room | None:
    """Return chart and table; None where nothing was tried again."""
    state, planned = material.state, material.state.confirmation
    metric = compared_metric(state.objective[0])
    found = figures.lines(state, metric)
    if planned is None:
        return None
    words = [
        f"The best of the search and the default configuration were trained again on "
        f"{len(planned.seeds)} fresh seeds and judged on {planned.prompts:,} prompts that no trial "
        "was chosen by. Filled: the mean with its 95 % interval over seeds and prompts; ticks: "
        "each seed; hollow: what the search had said. Between the two lies its optimism."
    ]
    if not found:
        return Room("confirmation", "Confirmation", ["Nothing is confirmed yet.", *words])
    return Room(
        id="confirmation",
        title="Confirmation",
        words=words,
        charts=[_chart(state, found, metric)],
        picture=picture(lambda: figures.confirmation(state)),
        tables=[_table(state, metric)],
    )


def _chart(state: SweepState, found: list[Line], metric: str) -> Chart:
    labels = [_label(line) for line in found]
    traces: list[Any] = []
    for place, line in enumerate(reversed(found)):
        traces += _traces(line, float(place))
    reference = state.confirmation.reference if state.confirmation else {}
    middle = 0.5 if metric == "win_rate" else reference.get(f"eval/{metric}")
    shapes = [] if middle is None else [_upright(middle)]
    ticks: dict[str, Any] = {
        "tickmode": "array", "tickvals": list(range(len(found))), "ticktext": labels[::-1],
        "range": [-0.6, len(found) - 0.4], "showgrid": False,
    }  # fmt: skip
    return Chart(
        id="confirmation-all",
        title="Mean of each candidate, and what the search had said",
        figure=charts.figure(traces, axes.axis(units.titled(metric)), ticks, shapes=shapes),
        words=f"{metric} of {len(found)} confirmed candidates with their intervals",
        height=110 + ROW * len(found),
        is_wide=True,
    )


def _label(line: Line) -> str:
    return trial_name(line.candidate.trial) + ("<br>default" if line.candidate.is_default else "")


def _traces(line: Line, y: float) -> list[Any]:
    ink, words = line.look.colour, _said(line)
    bar = {
        "type": "data", "symmetric": False, "array": [line.high - line.value],
        "arrayminus": [line.value - line.low], "thickness": 2.2, "width": 0, "color": ink,
    }  # fmt: skip
    plain = {"mode": "markers", "hovertemplate": "%{text}<extra></extra>"}
    found = [
        go.Scatter(
            x=list(line.seeds), y=[y - 0.2] * len(line.seeds), text=[words] * len(line.seeds),
            marker={"symbol": "line-ns", "size": 9, "line": {"width": 1.6, "color": ink}}, **plain,
        ),
        go.Scatter(
            x=[line.value], y=[y], error_x=bar, text=[words], marker=charts.marker(line.look),
            **plain,
        ),
    ]  # fmt: skip
    if line.searched is not None:
        hollow = {"symbol": "circle-open", "size": 9, "color": ink, "line": {"width": 1.6}}
        found.append(
            go.Scatter(x=[line.searched], y=[y + 0.2], text=[words], marker=hollow, **plain)
        )
    return found


def _said(line: Line) -> str:
    name = trial_name(line.candidate.trial)
    searched = "" if line.searched is None else f"<br>search: {line.searched:.2f}"
    return (
        f"{name}: {line.value:.2f} [{line.low:.2f}, {line.high:.2f}]{searched}"
        f"<br>{escape(configuration(line.candidate.params))}"
    )


def _upright(x: float) -> dict[str, Any]:
    return {
        "type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": x, "x1": x, "layer": "below",
        "line": {"color": charts.GREY, "width": 1.2, "dash": "dash"},
    }  # fmt: skip


def _table(state: SweepState, metric: str) -> Table:
    score = f"{axes.words_of(metric)} [95 %]"
    heads = [
        "trial", "configuration", "step", score, "against the default", "p (Holm)",
        "spread over seeds", "optimism", "KL, nats",
    ]  # fmt: skip
    order = sorted(
        state.confirmed.values(), key=lambda each: -each.metrics.get(f"confirm/{metric}", 0.0)
    )
    return Table("What was confirmed", heads, [_row(state, each, metric) for each in order])


def _row(state: SweepState, each: CandidateConfirmed, metric: str) -> Row:
    assert state.confirmation is not None
    tried, metrics = state.confirmation.candidates[each.candidate], as_eval(each.metrics)
    champion = state.verdict is not None and state.verdict.champion == each.candidate
    scale = share(metric)
    optimism = metrics.get("eval/optimism")
    cells = [
        Cell(trial_name(tried.trial) + ", default" * tried.is_default),
        Cell(configuration(tried.params)),
        Cell(f"{tried.step}/{tried.total_steps}", is_number=True),
        Cell(with_interval(metrics, metric), is_number=True),
        Cell(lead(metrics, scale) or NOTHING, is_number=True),
        _decimals(metrics, "against_default_p"),
        _decimals(metrics, "seed_spread"),
        number_cell(optimism, None if optimism is None else f"{scale * optimism:+.1f}"),
        number_cell(metrics.get("eval/kl")),
    ]
    return Row(cells, "best" if champion else "default" if tried.is_default else "")


def _decimals(metrics: dict[str, float], name: str) -> Cell:
    value = metrics.get(f"eval/{name}")
    small = value is not None and 0 < value < 0.001
    return number_cell(value, None if value is None else "< 0.001" if small else f"{value:.3f}")
