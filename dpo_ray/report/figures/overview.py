"""The sweep in one picture: beta, or what else is searched, against what it does to the policy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dpo_ray.report.figures import drawing, scales
from dpo_ray.report.figures.drawing import BEST, COMPLETED, CONTROL, STOPPED, TITLE, Look
from dpo_ray.report.ranking import RankedRow, rank
from dpo_ray.tracking.records import Metrics
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.wording import with_interval

LOOKS = (STOPPED, COMPLETED, CONTROL, BEST)
"""In the order of drawing: what matters most lies on top."""


@dataclass(frozen=True)
class Panel:
    """One metric, and what the reference has of it."""

    metric: str
    title: str
    reference: float | None
    band: tuple[float, float] | None = None


def draw_sweep(state: SweepState, path: Path) -> Path:
    """Write the PNG, whole or not at all, and return its path.

    Each trial stands there with its best checkpoint. Failed and killed trials are not in it. The
    best is drawn as the best even where it is the default configuration.
    """
    drawing.written(path, lambda: overview(state))
    return path


def overview(state: SweepState) -> Figure:
    """Return win rate and KL, and the gold reward where there is one, side by side."""
    name, space = scales.across(state)
    rows = [row for row in rank(state) if row.place is not None]
    found = list(panels(state.reference, rows))
    figure = drawing.new_figure(9.6 if len(found) == 2 else 11.4, 4.4, _title(state, rows))
    axes = list(figure.subplots(1, len(found)))
    for each, panel in zip(axes, found, strict=True):
        _draw(each, panel, [(row, scales.place(_params(row), name, space)) for row in rows])
        scales.scale(each, name, space)
    _explain_looks(axes[0], rows)
    drawing.legend_below(figure, axes[0])
    return figure


def panels(reference: Metrics, rows: Sequence[RankedRow]) -> Iterator[Panel]:
    """Yield win rate and KL, and the gold reward where there is one."""
    low, high = (reference.get(f"eval/win_rate_{end}") for end in ("low", "high"))
    band = None if low is None or high is None else (low, high)
    yield Panel("win_rate", "Win rate against the reference", 0.5, band)
    yield Panel("kl", "KL from the reference, nats per completion", 0.0)
    if any("eval/gold_reward" in row.metrics for row in rows):
        yield Panel("gold_reward", "Gold reward, mean", reference.get("eval/gold_reward"))


def _draw(axes: Axes, panel: Panel, points: Sequence[tuple[RankedRow, float]]) -> None:
    """Points, with 95 % intervals where they were measured; the band is the reference resampled."""
    if panel.band is not None:
        axes.axhspan(*panel.band, color="0.92", zorder=0, label="reference, resampled")
    if panel.reference is not None:
        drawing.baseline(axes, panel.reference, "reference")
    intervals = False
    for order, look in enumerate(LOOKS):
        # Together, not one by one: a thousand trials are drawn in the time of a dozen.
        found = [point for point in points if look_of(point[0]) == look]
        seen = [(row, x, value) for row, x in found if isfinite(value := _value(row, panel))]
        intervals |= _intervals(axes, seen, panel.metric, look)
        places, values = [x for _, x, _ in seen], [value for *_, value in seen]
        drawing.mark(axes, places, values, look, order + 2.5)
    axes.set_title(panel.title + (", 95 % intervals" if intervals else ""), **TITLE)
    drawing.quiet_grid(axes)
    if not points:
        axes.text(0.5, 0.5, "no trial was evaluated", transform=axes.transAxes, ha="center")


def _value(row: RankedRow, panel: Panel) -> float:
    return row.metrics.get(f"eval/{panel.metric}", nan)


def _intervals(
    axes: Axes, seen: Sequence[tuple[RankedRow, float, float]], metric: str, look: Look
) -> bool:
    """Draw the intervals that were measured; say whether there were any."""
    low, high = f"eval/{metric}_low", f"eval/{metric}_high"
    known = [each for each in seen if low in each[0].metrics and high in each[0].metrics]
    if not known:
        return False
    reach = [
        [max(value - row.metrics[low], 0.0) for row, _, value in known],
        [max(row.metrics[high] - value, 0.0) for row, _, value in known],
    ]
    axes.errorbar(
        [x for _, x, _ in known], [value for *_, value in known], reach, ecolor=look.colour,
        elinewidth=1, zorder=1.5, alpha=0.55, fmt="none",
    )  # fmt: skip
    return True


def look_of(row: RankedRow) -> Look:
    """Return how a ranked trial is drawn; the best as the best even where it is the default."""
    if row.is_best:
        return BEST
    if row.is_control:
        return CONTROL
    return COMPLETED if row.trial and row.trial.status == "COMPLETED" else STOPPED


def _params(row: RankedRow) -> dict[str, float | int | str | bool]:
    assert row.trial is not None  # what is ranked was trained
    return row.trial.params


def _explain_looks(axes: Axes, rows: Sequence[RankedRow]) -> None:
    for look in reversed(LOOKS):
        if any(look_of(row) == look for row in rows):
            drawing.explain(axes, look)


def _title(state: SweepState, rows: Sequence[RankedRow]) -> str:
    """The sweep, then the two trials that its reader compares."""
    metric, _ = state.objective
    parts = [state.plan.name if state.plan else ""]
    for row in rows:
        if row.is_best or row.is_control:
            word = "best" if row.is_best else "default"
            score = f"{metric.replace('_', ' ')} {with_interval(row.metrics, metric)}"
            parts.append(f"{word} {row.name}: {score}")
    return "    ".join(parts)
