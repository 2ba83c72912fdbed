"""What was left of the search's scores on unseen prompts and fresh seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dpo_ray.evaluation.answer_columns import compared_metric, is_share
from dpo_ray.report.figures import drawing
from dpo_ray.report.figures.drawing import COMPLETED, CONTROL, Look
from dpo_ray.tracking.records import Candidate, ConfirmationPlanned, Metrics
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import trial_name
from dpo_ray.tracking.wording import number

CHAMPION = Look("recommended", "#009E73", "*", 13)
CANDIDATE = Look("candidate", COMPLETED.colour, COMPLETED.marker, 8)
DEFAULT = Look(CONTROL.label, CONTROL.colour, CONTROL.marker, 7.5)
SHORT = {"learning_rate": "lr", "lora_rank": "r"}


@dataclass(frozen=True)
class Line:
    """One candidate: its mean on test prompts with interval, each seed's value, the search's."""

    candidate: Candidate
    look: Look
    value: float
    low: float
    high: float
    seeds: tuple[float, ...]
    searched: float | None


def confirmation(state: SweepState) -> Figure | None:
    """Return a forest plot of what was confirmed, the best on top; None where nothing was."""
    planned, metric = state.confirmation, compared_metric(state.objective[0])
    found = lines(state, metric)
    if planned is None or not found:
        return None
    figure = drawing.new_figure(9.6, 1.9 + 0.62 * len(found), _title(state, planned))
    axes = figure.subplots()
    _reference(axes, planned.reference, metric)
    for place, line in enumerate(found):
        _draw(axes, line, len(found) - 1 - place)
    words = [_label(each.candidate, list(state.parameters)) for each in found]
    axes.set_yticks(range(len(found)), words[::-1])
    axes.set_ylim(-0.6, len(found) - 0.4)
    axes.set_title(_heading(planned, metric), **drawing.TITLE)
    axes.xaxis.grid(visible=True, color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    _legend(figure, axes, found)
    return figure


def lines(state: SweepState, metric: str) -> list[Line]:
    """Return the confirmed candidates, the best mean first."""
    if state.confirmation is None:
        return []
    champion = None if state.verdict is None else state.verdict.champion
    found = []
    for index, confirmed in state.confirmed.items():
        candidate, values = state.confirmation.candidates[index], confirmed.metrics
        value = values.get(f"confirm/{metric}")
        if value is None:
            continue
        look = DEFAULT if candidate.is_default else CANDIDATE
        found.append(
            Line(
                candidate=candidate,
                look=CHAMPION if index == champion else look,
                value=value,
                low=values.get(f"confirm/{metric}_low", value),
                high=values.get(f"confirm/{metric}_high", value),
                seeds=_of_seeds(state, index, metric),
                searched=candidate.metrics.get(f"eval/{metric}"),
            )
        )
    return sorted(found, key=lambda line: -line.value)


def _of_seeds(state: SweepState, index: int, metric: str) -> tuple[float, ...]:
    trials = (row for row in state.confirmations.values() if row.confirms == index)
    values = (row.metrics.get(f"eval/{metric}") for row in trials if row.status == "COMPLETED")
    return tuple(value for value in values if value is not None)


def _reference(axes: Axes, reference: Metrics, metric: str) -> None:
    low, high = (reference.get(f"eval/{metric}_{end}") for end in ("low", "high"))
    if low is not None and high is not None:
        axes.axvspan(low, high, color="0.92", zorder=0, label="reference, resampled")
    line = 0.5 if metric == "win_rate" else reference.get(f"eval/{metric}")
    if line is not None:
        axes.axvline(
            line, color="0.45", linewidth=1, linestyle=drawing.DASHED, zorder=1, label="reference"
        )


def _draw(axes: Axes, line: Line, y: float) -> None:
    colour = line.look.colour
    axes.plot([line.low, line.high], [y, y], color=colour, linewidth=2, zorder=2)
    axes.plot(line.seeds, [y - 0.22] * len(line.seeds), "|", color=colour, markersize=7, zorder=2)
    drawing.mark(axes, [line.value], [y], line.look, 4)
    if line.searched is not None:
        above = y + 0.22
        axes.plot([line.value, line.searched], [y, above], color="0.6", linewidth=0.8, zorder=1.5)
        drawing.mark(axes, [line.searched], [above], _searched(line), 3)


def _searched(line: Line) -> Look:
    return Look("its search score", line.look.colour, "o", 6, hollow=True)


def _legend(figure: Figure, axes: Axes, found: Sequence[Line]) -> None:
    for look in (CHAMPION, CANDIDATE, DEFAULT):
        if any(line.look == look for line in found):
            drawing.explain(axes, look)
    drawing.explain(axes, Look("what the search said of it", "0.4", "o", 6, hollow=True))
    drawing.explain(axes, Look("each seed", "0.4", "|", 8))
    axes.lines[-1].set_markeredgecolor("0.4")
    drawing.legend_below(figure, axes)


def _label(candidate: Candidate, names: Sequence[str]) -> str:
    values = " ".join(
        f"{SHORT.get(name, name)} {number(candidate.params[name])}"
        for name in names
        if name in candidate.params
    )
    early = candidate.step < candidate.total_steps
    stopped = f"\nstopped at step {candidate.step} of {candidate.total_steps}" if early else ""
    return f"{trial_name(candidate.trial)} {values}{stopped}"


def _heading(planned: ConfirmationPlanned, metric: str) -> str:
    return (
        f"{metric.replace('_', ' ').capitalize()} on {planned.prompts:,} unseen prompts, mean of "
        f"{len(planned.seeds)} fresh seeds, 95 % interval over seeds and prompts"
    )


def _title(state: SweepState, planned: ConfirmationPlanned) -> str:
    champion = None if state.verdict is None else state.verdict.champion
    if champion is None:
        return "Confirmation: no configuration is distinguishable from the default"
    values = state.confirmed[champion].metrics
    lead, scale = values.get("confirm/against_default", 0.0), 1.0
    unit = ""
    if is_share(compared_metric(state.objective[0])):
        scale, unit = 100.0, " points"
    name = trial_name(planned.candidates[champion].trial)
    return f"Confirmation: {name} beats the default configuration by {scale * lead:.3g}{unit}"
