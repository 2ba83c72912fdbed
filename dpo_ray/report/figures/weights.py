"""DPO's example weight at work: each pair weighs as much as the implicit reward is wrong."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import expit

from dpo_ray.evaluation.saturation import SATURATED
from dpo_ray.report.figures import drawing
from dpo_ray.report.figures.examples import Checkpoint
from dpo_ray.tracking.trial_row import TrialRow

MOST = 4
"""Checkpoints side by side; of more, the first, the last and some between."""
BINS = 40


def weights(trial: TrialRow, found: Sequence[Checkpoint]) -> Figure | None:
    """Return the figure of a trial's checkpoints; None where there is none."""
    if not found:
        return None
    shown = _some(found)
    figure = drawing.new_figure(max(3.2 * len(shown), 5.6), 4.6, _title(trial, shown))
    grid = figure.subplots(
        2, len(shown), sharex=True, sharey="row", squeeze=False, height_ratios=[3, 1]
    )
    reach = max(float(np.abs(margins(each)).max()) for each in shown)
    for column, each in enumerate(shown):
        _on_the_curve(grid[0, column], each, max(1.05 * reach, 1.0))
        _where_pairs_are(grid[1, column], each, max(1.05 * reach, 1.0))
    grid[0, 0].set_ylabel("weight of the pair")
    grid[1, 0].set_ylabel("pairs")
    drawing.legend_below(figure, grid[0, 0])
    return figure


def margins(checkpoint: Checkpoint) -> Any:
    """Return beta * D of each pair. Shape: (pairs,)."""
    return checkpoint.examples["reward_margin"].to_numpy()


def in_words(weight: Any) -> str:
    """Say how many pairs still teach. `weight`: (pairs,)."""
    saturated, squares = float((weight < SATURATED).mean()), float((weight**2).sum())
    effective = float(weight.sum() ** 2 / squares) if squares else 0.0
    return (
        f"{saturated:.0%} saturated (weight < {SATURATED})\n"
        f"{len(weight):,} pairs count as {effective:,.0f}"
    )


def _on_the_curve(axes: Axes, checkpoint: Checkpoint, reach: float) -> None:
    weight = checkpoint.examples["weight"].to_numpy()
    x = np.linspace(-reach, reach, 200)
    axes.plot(
        x, expit(-x), color=drawing.CURVE, linewidth=1.2, zorder=1,
        label=r"$\sigma(-\beta D)$, the weight in DPO's gradient",
    )  # fmt: skip
    axes.axhspan(0, SATURATED, color="0.92", zorder=0, label="saturated: teaches next to nothing")
    axes.plot(
        margins(checkpoint), weight, "o", color=drawing.CHOSEN, markersize=4.5, alpha=0.4,
        markeredgewidth=0, zorder=2, label="a pair",
    )  # fmt: skip
    axes.axvline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.set_ylim(-0.03, 1.03)
    axes.set_title(f"step {checkpoint.step}\n{in_words(weight)}", **drawing.TITLE)
    drawing.quiet_grid(axes)


def _where_pairs_are(axes: Axes, checkpoint: Checkpoint, reach: float) -> None:
    axes.hist(
        margins(checkpoint), bins=BINS, range=(-reach, reach), color=drawing.CHOSEN, alpha=0.6
    )
    axes.axvline(0, color="0.8", linewidth=0.8, zorder=0)
    axes.set_xlabel(r"implicit reward margin $\beta D$")


def _some(found: Sequence[Checkpoint]) -> list[Checkpoint]:
    if len(found) <= MOST:
        return list(found)
    return [found[round(index)] for index in np.linspace(0, len(found) - 1, MOST)]


def _title(trial: TrialRow, shown: Sequence[Checkpoint]) -> str:
    if all(bool((each.examples["weight"].to_numpy() == 1).all()) for each in shown):
        return f"{trial.name}: every pair weighs the same, however right or wrong the policy is"
    return f"{trial.name}: a pair weighs more the more wrong the implicit reward is about it"
