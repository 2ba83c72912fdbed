"""The margin trap: a reward margin grows with beta although no weight of the model changes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dpo_ray.report.figures import drawing
from dpo_ray.report.figures.drawing import BEST
from dpo_ray.report.figures.examples import Checkpoint
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import TrialRow
from dpo_ray.tracking.wording import number

PAPER = (0.1, 0.5)
"""The range of beta that is usual where none was searched."""


def margin_trap(state: SweepState, trial: TrialRow, found: Sequence[Checkpoint]) -> Figure | None:
    """Return the figure of a trial's last checkpoint; None where it or the trial's beta is unknown.

    The weights are the trial's own and stay; only the beta they are read with changes.
    """
    beta = beta_of(state, trial)
    if not found or beta is None:
        return None
    gaps = found[-1].examples["margin"].to_numpy()
    low, high = _range(state, beta)
    times = high / low
    figure = drawing.new_figure(
        9.6,
        4.2,
        f"{trial.name} at step {found[-1].step}, read with another beta: the margin grows "
        f"{times:.3g} times, the policy is the same",
    )
    left, right = figure.subplots(1, 2)
    betas = np.linspace(0, high, 50).tolist()
    _panel(left, betas, [mean_margin(gaps, each) for each in betas], "#CC79A7")
    left.set_title("rewards/margins, mean: beta times D", **drawing.TITLE)
    for end in (low, high):
        left.annotate(
            f"{mean_margin(gaps, end):.3g} at {number(end)}", (end, mean_margin(gaps, end)),
            (8, -4) if end == low else (-10, 2), textcoords="offset points",
            ha="left" if end == low else "right", va="top" if end == low else "bottom",
        )  # fmt: skip
    _panel(right, betas, [float(gaps.mean())] * len(betas), drawing.CHOSEN)
    right.set_title("logratio_margin, mean: D itself, nats", **drawing.TITLE)
    right.set_ylim(*_around_zero(float(gaps.mean())))
    for axes, value in ((left, mean_margin(gaps, beta)), (right, float(gaps.mean()))):
        drawing.mark(axes, [beta], [value], BEST, 5)
    drawing.explain(left, BEST, f"the beta it was trained with, {number(beta)}")
    drawing.legend_below(figure, left)
    return figure


def mean_margin(gaps: "np.typing.NDArray[np.float64]", beta: float) -> float:
    """Return the mean of beta * D. `gaps` is D of each pair, nats: (pairs,)."""
    return float((beta * gaps).mean())


def beta_of(state: SweepState, trial: TrialRow) -> float | None:
    """Return the beta a trial was trained with, searched or fixed."""
    plan = state.plan.plan if state.plan else {}
    fixed = plan.get("sweep", {}).get("training", {}).get("beta")
    found = trial.params.get("beta", fixed)
    return None if found is None else float(found)


def _panel(axes: Axes, betas: Sequence[float], values: Sequence[float], colour: str) -> None:
    axes.plot(betas, values, color=colour, linewidth=2)
    axes.set_xlabel("beta the same weights are read with")
    axes.set_xlim(0, 1.04 * max(betas))
    axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    drawing.quiet_grid(axes)


def _range(state: SweepState, beta: float) -> tuple[float, float]:
    space = state.parameters.get("beta", {})
    low, high = space.get("low", PAPER[0]), space.get("high", PAPER[1])
    return min(low, beta), max(high, beta)


def _around_zero(value: float) -> tuple[float, float]:
    reach = max(abs(value), 1e-3) * 1.35
    return (-0.05 * reach, reach) if value >= 0 else (-reach, 0.05 * reach)
