"""Likelihood displacement: the loss drives the gap between two answers, not either of them."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from dpo_ray.report.figures import drawing
from dpo_ray.tracking.trial_row import TrialRow

CHOSEN, REJECTED = "eval/logratio/chosen", "eval/logratio/rejected"
BOTH = "eval/displacement/both_falling"


def displacement(trial: TrialRow) -> Figure | None:
    """Return mean l(y_w) and l(y_l) over steps, and how often both fall; None without values.

    At step 0 the policy is the reference, so both are 0.
    """
    found = [rung for rung in trial.rungs if {CHOSEN, REJECTED, BOTH} <= rung.metrics.keys()]
    if not found:
        return None
    steps = [0, *(rung.step for rung in found)]
    chosen, rejected, both = (
        [0.0, *(rung.metrics[name] for rung in found)] for name in (CHOSEN, REJECTED, BOTH)
    )
    figure = drawing.new_figure(8.0, 4.8, _title(trial, chosen[-1], rejected[-1]))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    _log_ratios(upper, steps, chosen, rejected)
    lower.plot(steps, both, "s-", color="#CC79A7", linewidth=1.5, markersize=5, clip_on=False)
    lower.set_ylim(0, 1)
    lower.yaxis.set_major_formatter(PercentFormatter(1))
    lower.set_title(f"Pairs in which both answers fall: {both[-1]:.0%}", **drawing.TITLE)
    lower.set_xlabel("optimizer step")
    lower.set_xlim(0, 1.14 * steps[-1])
    drawing.quiet_grid(lower)
    return figure


def _log_ratios(
    axes: Axes, steps: Sequence[int], chosen: Sequence[float], rejected: Sequence[float]
) -> None:
    axes.fill_between(steps, chosen, rejected, color="0.93", zorder=0)
    drawing.baseline(axes, 0.0, "the reference's own probability")
    lines = ((chosen, drawing.CHOSEN, "chosen"), (rejected, drawing.REJECTED, "rejected"))
    for values, colour, label in lines:
        marker = "o-" if label == "chosen" else "v-"
        axes.plot(steps, values, marker, color=colour, linewidth=1.8, markersize=5.5, zorder=3)
        axes.annotate(
            f"{label} {values[-1]:+.1f}", (steps[-1], values[-1]), (8, 0),
            textcoords="offset points", va="center", color=colour, fontweight="bold",
        )  # fmt: skip
    x = steps[-1] if len(steps) == 2 else steps[-2]
    y = (chosen[steps.index(x)] + rejected[steps.index(x)]) / 2
    axes.text(x, y, "the gap D", ha="center", va="center", color="0.4")
    axes.set_title("Mean log-ratio to the reference, nats per answer", **drawing.TITLE)
    drawing.quiet_grid(axes)


def _title(trial: TrialRow, chosen: float, rejected: float) -> str:
    gap = f"a gap of {chosen - rejected:.1f} nats"
    if chosen < 0 and rejected < 0:
        return f"{trial.name}: {gap}, opened while both answers lose probability"
    if chosen >= 0 >= rejected:
        return f"{trial.name}: {gap}: chosen answers gain probability, rejected ones lose it"
    return f"{trial.name}: {gap} between chosen and rejected answers"
