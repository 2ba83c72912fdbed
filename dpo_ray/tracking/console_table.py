"""A sweep as a table that fits the terminal it is shown on."""

from rich import box
from rich.table import Table
from rich.text import Text

from dpo_ray.tracking.candidates import latest_quality
from dpo_ray.tracking.confirm_lines import again
from dpo_ray.tracking.progress import confirmation_progress, leader, progress
from dpo_ray.tracking.records import Metrics
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import TrialRow
from dpo_ray.tracking.wording import HEADINGS, duration, number, with_interval

_STYLES = {
    "RUNNING": "cyan",
    "COMPLETED": "green",
    "STOPPED": "yellow",
    "FAILED": "red",
    "KILLED": "magenta",
}
_WORDS = {"RUNNING": "running", "COMPLETED": "done", "STOPPED": "stopped"}
_BAR = 8


def table(state: SweepState, rows: int, wide: bool, now: float) -> Table:
    """The trials of most interest in at most `rows` lines; progress bars only where `wide`.

    Once a confirmation has begun, its trials instead of the search's.
    """
    names = _searched(state)
    grid = Table(box=box.SIMPLE_HEAD if wide else None, show_edge=False, pad_edge=False)
    grid.padding = (0, 1, 0, 0)
    grid.add_column("trial", no_wrap=True)
    for name in names:
        grid.add_column(HEADINGS.get(name, name), justify="right", no_wrap=True)
    for heading in ("step", "win rate [95 %]" if wide else "win [95 %]", "KL", "margin"):
        grid.add_column(heading, justify="right", no_wrap=True)
    grid.add_column("status")  # the one column that may be cut, see _cells
    grid.add_column("s", justify="right", no_wrap=True)
    planned = state.confirmation
    reference = state.reference if planned is None else planned.reference
    if reference:
        grid.add_row("ref", *[""] * len(names), "", *_numbers(reference, wide), "reference", "")
    best = leader(state)
    shown, hidden = choose(state, rows, best)
    for row in shown:
        marks = _marks(state, row, row is best)
        grid.add_row(*_cells(row, names, wide, marks, now), style="bold" if row is best else "")
    if hidden:
        grid.caption, grid.caption_justify = _hidden(hidden), "left"
    return grid


def choose(
    state: SweepState, rows: int, best: TrialRow | None
) -> tuple[list[TrialRow], list[TrialRow]]:
    """Split the trials into shown and hidden: running first, then `best`, then the next best."""
    trials = list((state.trials if state.confirmation is None else state.confirmations).values())
    if len(trials) <= rows:
        return _by_number(trials), []
    trials.sort(key=lambda row: _interest(state, row, row is best), reverse=True)
    return _by_number(trials[:rows]), _by_number(trials[rows:])


def _interest(state: SweepState, row: TrialRow, best: bool) -> tuple[int, bool, float, int]:
    urgency = {"RUNNING": 2, "COMPLETED": 1}.get(row.status, 0)
    return urgency, best, latest_quality(state, row), row.number


def _by_number(trials: list[TrialRow]) -> list[TrialRow]:
    return sorted(trials, key=lambda row: row.number)


def progress_line(state: SweepState, total: int, now: float, wide: bool = False) -> str:
    """`━━━╌╌╌╌╌ 5/12 trials ended, 4.1/min, about 1 min 45 s left`: first a bar of what is done.

    Where it is `wide`, the bar is longer, and the time that is gone is told as well.
    """
    confirms = state.confirmation is not None
    so_far = confirmation_progress(state, now) if confirms else progress(state, total, now)
    what = "confirmation trials" if confirms else "trials"
    parts = [f"{so_far.ended}/{so_far.total} {what} ended"]
    if so_far.per_minute is not None:
        parts.append(f"{so_far.per_minute:.1f}{' trials' if wide else ''}/min")
    if wide or not so_far.left:
        parts.append(f"{duration(so_far.elapsed_s)} gone")
    if so_far.left:
        parts.append(so_far.left)
    return f"{bar(so_far.share, 1.0, _BAR * (1 + wide))} {', '.join(parts)}"


def _searched(state: SweepState) -> list[str]:
    for row in state.trials.values():
        return list(row.params)
    return list(state.parameters)


def _cells(
    row: TrialRow, names: list[str], wide: bool, marks: list[str], now: float
) -> list[Text | str]:
    seconds = row.before + now - row.started if row.status == "RUNNING" else row.seconds
    step = f"{row.step}/{row.total_steps}"
    return [
        row.name,
        *(number(row.params.get(name, "")) for name in names),
        f"{bar(row.step, row.total_steps)} {step}" if wide else step,
        *_numbers(row.metrics, wide),
        Text(_status(row, marks), _STYLES[row.status], no_wrap=True, overflow="ellipsis"),
        f"{seconds:.0f}",
    ]


def bar(step: float, total: float, cells: int = _BAR) -> str:
    """Some cells, filled as far as it has come."""
    filled = round(cells * min(step / (total or 1), 1.0))
    return "━" * filled + "╌" * (cells - filled)


def _numbers(metrics: Metrics, wide: bool) -> list[str]:
    """Two decimals each, so that a column can be read downwards."""
    win_rate = with_interval(metrics, "win_rate")
    others = [metrics.get(f"eval/{name}") for name in ("kl", "logratio_margin")]
    return [
        win_rate if wide else win_rate.replace("0.", ".").replace(", ", ","),
        *("-" if value is None else f"{value:.2f}" for value in others),
    ]


def _marks(state: SweepState, row: TrialRow, best: bool) -> list[str]:
    confirms = [again(state, row)] if row.confirms is not None else []
    return [*confirms, *["best so far"] * best, *["default"] * row.is_control]


def _status(row: TrialRow, marks: list[str]) -> str:
    word = _WORDS.get(row.status, row.status.lower())
    reason = row.reason.replace("\n", " ")
    if row.status not in ("STOPPED", "FAILED", "KILLED") or not reason:
        return ", ".join([word, *marks])
    return ", ".join([reason if reason.lower().startswith(word) else f"{word}: {reason}", *marks])


def _hidden(rows: list[TrialRow]) -> str:
    counts: dict[str, int] = {}
    for row in rows:
        word = _WORDS.get(row.status, row.status.lower())
        counts[word] = counts.get(word, 0) + 1
    return "and " + ", ".join(f"{count} {word}" for word, count in counts.items())
