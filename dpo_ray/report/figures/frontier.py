"""The reward-KL frontier: what each nat of distance from the reference bought."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import BoundaryNorm, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from dpo_ray.report.figures import drawing, scales
from dpo_ray.report.figures.drawing import Look
from dpo_ray.report.ranking import best_of, rank
from dpo_ray.tracking.candidates import JUDGED
from dpo_ray.tracking.objective import pareto_front
from dpo_ray.tracking.records import Metrics
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import TrialRow
from dpo_ray.tracking.wording import number

COLOURS = "viridis"
FAILED = Look("failed by a limit", "0.35", "x", 6)
PICK = Look("", "none", "o", 15)
DEFAULT = Look("default configuration, last checkpoint", "none", "D", 12)


@dataclass(frozen=True)
class Point:
    """One checkpoint of one configuration."""

    trial: TrialRow
    step: int
    kl: float
    win_rate: float
    metrics: Metrics
    failed: bool = False


@dataclass(frozen=True)
class Pick:
    """The checkpoint that is recommended, and by what."""

    trial: int
    step: int
    label: str


def frontier(state: SweepState) -> Figure | None:
    """Return the figure; None where no checkpoint has both numbers."""
    found = points(state)
    if not found:
        return None
    figure = drawing.new_figure(9.6, 5.2, _title(state, found))
    axes = figure.subplots()
    name, space = scales.across(state)
    colours = _Colours(name, space, [each.trial for each in found])
    _reference(axes, state.reference)
    _front(axes, front(found))
    _checkpoints(axes, found, colours)
    _marks(axes, state, found)
    axes.set_xlabel("KL from the reference, nats per completion")
    axes.set_title("Win rate against the reference", **drawing.TITLE)
    axes.set_xlim(left=-0.03 * axes.get_xlim()[1])
    drawing.quiet_grid(axes)
    colours.bar(figure, axes)
    drawing.legend_below(figure, axes)
    return figure


def points(state: SweepState) -> list[Point]:
    """Return every checkpoint with a win rate and a KL, by trial and step.

    A trial that broke a limit of the evaluation is there to be seen, but never on the front.
    """
    return [
        point
        for _, trial in sorted(state.trials.items())
        if trial.status in JUDGED or trial.by_limits
        for point in _of_trial(trial)
    ]


def front(found: Sequence[Point]) -> list[Point]:
    """Return the points that no other beats in one number without losing in the other, by KL."""
    sound = [each for each in found if not each.failed]
    best = pareto_front([(each.win_rate, -each.kl) for each in sound])
    return sorted((sound[index] for index in best), key=lambda each: each.kl)


def pick(state: SweepState) -> Pick | None:
    """Return the champion of the confirmation, or the best of the search."""
    verdict, planned = state.verdict, state.confirmation
    if verdict is not None and verdict.champion is not None and planned is not None:
        champion = planned.candidates[verdict.champion]
        return Pick(champion.trial, champion.step, "recommended, confirmed")
    best = best_of(rank(state))
    if best is None or best.trial is None:
        return None
    return Pick(best.trial.number, best.step, "best of the search, not confirmed")


def _of_trial(trial: TrialRow) -> Iterator[Point]:
    reached = [(rung.step, rung.metrics) for rung in trial.rungs]
    if trial.by_limits and trial.step not in dict(reached):
        reached.append((trial.step, trial.metrics))  # the evaluation it failed by is no rung
    for step, metrics in reached:
        kl, wins = (metrics.get(f"eval/{name}", float("nan")) for name in ("kl", "win_rate"))
        if isfinite(kl) and isfinite(wins):
            yield Point(trial, step, kl, wins, metrics, failed=trial.by_limits)


class _Colours:
    """The searched parameter as a colour: numbers on a scale, choices in steps."""

    def __init__(self, name: str, space: dict[str, Any], trials: Sequence[TrialRow]) -> None:
        self._name, self._space = name, space
        self._places = {each.number: scales.place(each.params, name, space) for each in trials}
        self._map = ScalarMappable(self._norm(), COLOURS)

    def of(self, trial: TrialRow) -> Any:
        return self._map.to_rgba(np.asarray(self._places[trial.number]))

    def bar(self, figure: Figure, axes: Axes) -> None:
        bar = figure.colorbar(self._map, ax=axes, pad=0.01, aspect=30)
        bar.set_label(self._name.replace("_", " "))
        if "choices" in self._space:
            choices = self._space["choices"]
            bar.set_ticks(list(range(len(choices))), labels=[number(each) for each in choices])
            return
        if self._space.get("log"):
            bar.locator = LogLocator(subs=(1.0, 2.0, 5.0))
            bar.ax.yaxis.set_minor_formatter(NullFormatter())
        bar.formatter = FuncFormatter(lambda value, _: number(float(value)))
        bar.update_ticks()

    def _norm(self) -> Normalize:
        if "choices" in self._space:
            count = len(self._space["choices"])
            return BoundaryNorm([each - 0.5 for each in range(count + 1)], 256)
        values = list(self._places.values())
        low, high = (self._space.get(end, f(values)) for end, f in (("low", min), ("high", max)))
        return LogNorm(low, high) if self._space.get("log") else Normalize(low, high)


def _reference(axes: Axes, reference: Metrics) -> None:
    low, high = (reference.get(f"eval/win_rate_{end}", 0.5) for end in ("low", "high"))
    axes.errorbar(
        [0.0], [0.5], [[max(0.5 - low, 0.0)], [max(high - 0.5, 0.0)]], fmt="s", color="black",
        markersize=6, elinewidth=1.2, capsize=3, zorder=6, label="reference, resampled",
    )  # fmt: skip
    axes.axhline(0.5, color="0.45", linewidth=1, linestyle=drawing.DASHED, zorder=1)


def _front(axes: Axes, best: Sequence[Point]) -> None:
    """A staircase: between two points nothing better than the left one is known."""
    kl = [0.0, *(each.kl for each in best)]
    wins = [0.5, *(each.win_rate for each in best)]
    axes.step(
        kl, wins, where="post", color="#CC79A7", linewidth=2.2, alpha=0.8, zorder=2,
        label="Pareto front",
    )  # fmt: skip


def _checkpoints(axes: Axes, found: Sequence[Point], colours: _Colours) -> None:
    """Thin lines join a trial's checkpoints in the order of training; the last is the largest.

    All are drawn together: a thousand trials would be thousands of artists.
    """
    trials: dict[int, list[Point]] = {}
    for each in found:
        trials.setdefault(each.trial.number, []).append(each)
    sound = [own for own in trials.values() if not own[0].trial.by_limits]
    broken = [own for own in trials.values() if own[0].trial.by_limits]
    _join(axes, sound, [colours.of(own[0].trial) for own in sound], 0.8, 0.7)
    _join(axes, broken, ["0.7"] * len(broken), 0.7, 1.0)
    points = [each for own in sound for each in own]
    axes.scatter(
        [each.kl for each in points], [each.win_rate for each in points],
        [58.0 if each is own[-1] else 22.0 for own in sound for each in own],
        color=[colours.of(each.trial) for each in points], edgecolors="white", linewidths=0.7,
        zorder=4,
    )  # fmt: skip
    failed = [each for own in broken for each in own]
    axes.plot(
        [each.kl for each in failed], [each.win_rate for each in failed], "x",
        color=FAILED.colour, markersize=FAILED.size, zorder=3,
    )  # fmt: skip
    axes.plot([], [], "o-", color="0.5", linewidth=0.8, markersize=5)
    axes.lines[-1].set_label("checkpoints of a trial, the last is larger")
    if broken:
        drawing.explain(axes, FAILED)


def _join(
    axes: Axes,
    trials: Sequence[Sequence[Point]],
    colours: Sequence[Any],
    width: float,
    alpha: float,
) -> None:
    paths = [[(each.kl, each.win_rate) for each in own] for own in trials]
    lines = LineCollection(paths, colors=colours, linewidths=width, alpha=alpha, zorder=2.5)
    axes.add_collection(lines)


def _marks(axes: Axes, state: SweepState, found: Sequence[Point]) -> None:
    """Rings that leave a point's colour to be seen."""
    default = [each for each in found if each.trial.is_control and not each.failed]
    if default:
        _ring(axes, default[-1], DEFAULT, "#D55E00", DEFAULT.label)
    chosen = pick(state)
    for each in found:
        if chosen is not None and (each.trial.number, each.step) == (chosen.trial, chosen.step):
            _ring(axes, each, PICK, "#009E73", chosen.label)


def _ring(axes: Axes, point: Point, look: Look, colour: str, label: str) -> None:
    axes.plot(
        [point.kl], [point.win_rate], look.marker, markerfacecolor="none", markeredgecolor=colour,
        markeredgewidth=2, markersize=look.size, zorder=5, linestyle="none", label=label,
    )  # fmt: skip


def _title(state: SweepState, found: Sequence[Point]) -> str:
    chosen = pick(state)
    for each in found:
        if chosen is not None and (each.trial.number, each.step) == (chosen.trial, chosen.step):
            return (
                f"What distance bought: {each.trial.name} at step {each.step} has win rate "
                f"{each.win_rate:.2f} at a KL of {each.kl:.2f} nats"
            )
    return "What distance bought: win rate against KL, every checkpoint of every trial"
