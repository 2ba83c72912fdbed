"""The last thing a sweep prints: who won, by how much, and where everything lies."""

import shlex
import shutil
from math import isnan
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from dpo_ray.config.redaction import redact_text
from dpo_ray.data.trial_files import ADAPTER, checkpoint_folder
from dpo_ray.output import own_command, say, this_python
from dpo_ray.report.confirmation_table import confirmation_table
from dpo_ray.report.ranking import RankedRow, best_of, rank
from dpo_ray.report.recommended import recommended
from dpo_ray.report.verdict import verdict
from dpo_ray.tracking.earlier import OVERVIEW, REPORT
from dpo_ray.tracking.foretelling import foretelling_sentence
from dpo_ray.tracking.mlflow_links import address
from dpo_ray.tracking.mlflow_server import database_file, default_uri
from dpo_ray.tracking.objective import objective_value
from dpo_ray.tracking.records import Metrics
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import TrialRow
from dpo_ray.tracking.wording import HEADINGS, configuration, duration, number, with_interval

WIDE = 100
"""Columns from which tables have room between and for everything."""


def print_summary(
    console: Console,
    state: SweepState,
    tracking_uri: str,
    view: str | None = None,
) -> None:
    """Print ranking, verdict, counts and places. `state` may be of a sweep that was cut short.

    `view`: MLflow's page that compares the trials, from `#` on.
    """
    rows = rank(state)
    console.print()
    console.print(ranking_table(state, rows, wide=console.width >= WIDE))
    confirmed = confirmation_table(state, wide=console.width >= WIDE)
    if confirmed is not None:
        console.print()
        console.print(confirmed)
    console.print()
    sentences = [*_best(state, rows), *verdict(state, rows), counts(state), *_told(state)]
    for text in [*sentences, *_places(state, rows, tracking_uri, view)]:
        say(console, text)


def ranking_table(state: SweepState, rows: list[RankedRow], wide: bool = True) -> Table:
    """Every trial, the reference and the default configuration marked in words."""
    metric, _ = state.objective
    names = list(state.parameters)
    extra = [] if metric in ("win_rate", "kl", "logratio_margin") else [metric]
    extra += ["objective"] * bool(state.objectives[0].get("penalty"))
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.padding = (0, 1, 0, 0) if wide else (0, 0, 0, 0)
    table.add_column("#", justify="right")
    table.add_column("trial", no_wrap=True)
    headings = [*(HEADINGS.get(name, name) for name in names), *extra]
    for heading in [*headings, "win rate [95 %]", "KL", "margin", "step"]:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for row in rows:
        style = "bold" if row.is_best else "dim" if row.place is None else ""
        table.add_row(*_cells(state, row, names, extra), style=style)
    return table


def counts(state: SweepState) -> str:
    """`12 trials in 1 min 49 s (6.6 trials/min): 8 completed, ...; 8 from the sampler.`"""
    rows = list(state.trials.values())
    states = ("COMPLETED", "STOPPED", "FAILED", "KILLED")
    words = ("completed", "stopped early", "failed", "killed")
    ends = [
        f"{len(found)} {w}"
        for s, w in zip(states, words, strict=True)
        if (found := state.with_status(s))
    ]
    sampled = sum(row.origin == "sampler" for row in rows)
    first = min((row.started for row in rows), default=0.0)
    seconds = max((row.ended or first for row in rows), default=0.0) - first
    rate = f" ({60 * len(rows) / seconds:.1f} trials/min)" if seconds >= 1 else ""
    return (
        f"{len(rows)} trials in {duration(seconds)}{rate}: {', '.join(ends) or 'none ended'}; "
        f"{sampled} configurations came from the sampler."
    )


def _told(state: SweepState) -> list[str]:
    """What the sweep says of its own method, and what all its runs together have cost."""
    said = [foretelling_sentence(state)]
    if state.warm is not None:
        said.append(f"W{state.warm.note[1:]}.")
    if len(state.lives) > 1 or state.gpu_seconds:
        gpus = f", {state.gpu_seconds / 3600:.2f} GPU-hours" if state.gpu_seconds else ""
        runs = f"{len(state.lives)} run{'s' * (len(state.lives) > 1)}"
        said.append(f"Spent: {duration(state.seconds)} in {runs}{gpus}.")
    return [each for each in said if each]


def ui_command(tracking_uri: str, sweep: str | None = None) -> str:
    """The command, or the address, that opens the comparison."""
    database = database_file(tracking_uri)
    if database is None:
        return redact_text(tracking_uri)
    own = own_command()
    if sweep and tracking_uri == default_uri(database.parent) and own is not None:
        store = database.parent
        below = [] if store == Path("store").absolute() else ["--store", str(store)]
        return shlex.join([own, "ui", sweep, *below])
    mlflow = ["mlflow"] if shutil.which("mlflow") else [this_python(), "-m", "mlflow"]
    command = [*mlflow, "ui", "--backend-store-uri", tracking_uri, "--host", "127.0.0.1"]
    return shlex.join(command)


def _cells(state: SweepState, row: RankedRow, names: list[str], extra: list[str]) -> list[str]:
    params = row.trial.params if row.trial else {}
    scored = row.metrics | {"eval/objective": objective_value(row.metrics, state.objectives[0])}
    return [
        "" if row.place is None else str(row.place),
        "ref" if row.is_reference else row.name,
        *(number(params.get(name, "")) for name in names),
        *(_decimals(scored, name) for name in extra),
        with_interval(row.metrics, "win_rate"),
        *(_decimals(row.metrics, name) for name in ("kl", "logratio_margin")),
        f"{row.step}/{row.trial.total_steps}" if row.trial else "",
        _marks(row),
    ]


def _decimals(metrics: Metrics, metric: str) -> str:
    value = metrics.get(f"eval/{metric}")
    return "-" if value is None or isnan(value) else f"{value:.2f}"


def _marks(row: RankedRow) -> str:
    if row.trial is None:
        return "reference"
    ended = "" if row.trial.status == "COMPLETED" else row.trial.status.lower()
    if row.trial.by_limits:
        ended = "no movement" if row.trial.reason.startswith("no movement") else "degenerate"
    marks = [
        *["best"] * row.is_best,
        *["front"] * row.on_front,
        *["default"] * row.is_control,
        *[ended] * bool(ended),
    ]
    return ", ".join(marks)


def _best(state: SweepState, rows: list[RankedRow]) -> list[str]:
    best = best_of(rows)
    if best is None or best.trial is None:
        return []
    metric, _ = state.objective
    score = with_interval(best.metrics, metric)
    early = "" if best.step == best.trial.total_steps else f", stopped at step {best.step}"
    what = f"{best.name}, {configuration(best.trial.params)}{early}"
    where = " of the search" if state.verdict else ""
    return [f"Best{where} by {_rule(state)}: {what}: {score}."]


def _rule(state: SweepState) -> str:
    first = state.objectives[0]
    metric, penalty = state.objective[0], first.get("penalty")
    if penalty:
        return f"{metric} - {penalty['weight']:g} x KL above {penalty['budget']:g} nats"
    if len(state.objectives) > 1:
        return f"{metric} and KL (the lowest KL within one standard error of the best {metric})"
    return metric


def _saved(best: RankedRow, trial: TrialRow) -> dict[str, str | None]:
    """Where the weights of the checkpoint lie that is best: of a model only the last is kept."""
    if best.step == trial.step:
        return {"Adapter:  ": trial.adapter, "Model:    ": trial.model}
    if trial.model is not None:
        last = f"{trial.model} (its last step, {trial.step}: of whole models no other is kept)"
        return {"Model:    ": last}
    return {"Adapter:  ": str(checkpoint_folder(Path(trial.folder), best.step) / ADAPTER)}


def _places(state: SweepState, rows: list[RankedRow], uri: str, view: str | None) -> list[str]:
    best = recommended(state, rows)
    saved = {} if best is None or best.trial is None else _saved(best, best.trial)
    places = [f"{label}{folder}" for label, folder in saved.items() if folder]
    overview = state.own_file(OVERVIEW)
    if overview is not None:
        others = sum(each.path.endswith(".png") for each in state.artifacts) - 1
        more = f" (and {others} more, in MLflow under figures)" if others else ""
        places.append(f"Figure:   {overview}{more}")
    report = state.own_file(REPORT)
    if report is not None:
        places.append(f"Report:   {report}")
    places.append(f"Compare:  {ui_command(uri, state.plan.name if state.plan else None)}")
    if view is not None:
        places.append(f"          then open {address(uri, view)}")
    return places
