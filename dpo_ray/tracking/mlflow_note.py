"""A sweep's page in MLflow: the note on its own run, in Markdown."""

from collections.abc import Mapping, Sequence

from dpo_ray.config.redaction import redact_text
from dpo_ray.evaluation.answer_columns import compared_metric
from dpo_ray.tracking.candidates import best_of_each
from dpo_ray.tracking.earlier import REPORT
from dpo_ray.tracking.mlflow_book import REFERENCE, Key
from dpo_ray.tracking.mlflow_links import (
    artifact_page,
    compare_page,
    run_page,
    table_page,
    trials_of,
)
from dpo_ray.tracking.records import Metrics
from dpo_ray.tracking.results import score_key
from dpo_ray.tracking.sft_lines import sft_result
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import TrialRow, trial_name
from dpo_ray.tracking.wording import configuration, number, plain, with_interval

SHOWN = 24
"""Trials in a long sweep's note: MLflow takes 8,000 characters, which links and rows of a few
dozen fill."""


def note(
    state: SweepState, experiment: str, runs: Mapping[Key, str], first: Sequence[str] = ()
) -> str:
    """The sweep's page in Markdown: links and verdict first, since MLflow folds away all but the
    first four lines or so.

    `runs` maps trial numbers to run ids, None to the sweep's own, REFERENCE to the reference's;
    `first` are links that come before all others.
    """
    children = {number: run for number, run in runs.items() if isinstance(number, int)}
    shown = _shown(state)
    best_first = score_key(state.objectives), state.objective[1] == "minimize"
    table = table_page(experiment, trials_of(runs[None]), *best_first)
    links = [*first, *_report(state, experiment, runs[None]), f"[table of trials]({table})"]
    if children:
        links.append(_compared(state, experiment, children, shown))
    if REFERENCE in runs:
        name = "the reference" if state.sft is None else "the reference's SFT"
        links.append(_link(experiment, name, runs[REFERENCE]))
    parts = [
        " · ".join(links),
        *_verdict(state),
        *_confirmed(state, experiment, children),
        *_sft(state),
        _table(state, shown, experiment, children),
    ]
    return "\n\n".join(parts)


def _report(state: SweepState, experiment: str, parent: str) -> list[str]:
    if state.own_file(REPORT) is None:
        return []
    return [f"[the report]({artifact_page(experiment, parent, REPORT)})"]


def _shown(state: SweepState) -> list[TrialRow]:
    """All trials by number; of too many the best ones and the default."""
    trials = sorted(state.trials.values(), key=lambda row: row.number)
    if len(trials) <= SHOWN:
        return trials
    best = [each.trial.number for each in best_of_each(state)][: SHOWN - 1]
    return [row for row in trials if row.is_control or row.number in best]


def _compared(
    state: SweepState, experiment: str, children: dict[int, str], shown: list[TrialRow]
) -> str:
    if len(state.trials) <= SHOWN:
        return f"[compare them]({compare_page(experiment, list(children.values()))})"
    runs = [children[row.number] for row in shown if row.number in children]
    return f"[compare those below]({compare_page(experiment, runs)}), the best and the default"


def _sft(state: SweepState) -> list[str]:
    if state.sft is None:
        return []
    text = redact_text(sft_result(state.sft)).replace("\n", " ")
    return [text[0].upper() + text[1:]]


def _verdict(state: SweepState) -> list[str]:
    if state.ended is None:
        return ["**Running.**"]
    ended = f"**Ended with exit code {state.ended.exit_code}:** {redact_text(state.ended.reason)}"
    best = state.trials.get(-1 if state.ended.best is None else state.ended.best)
    if best is None:
        return [ended]
    if state.verdict is not None:
        return [f"**Confirmed:** {redact_text(state.verdict.verdict)}.", *_champion(state), ended]
    metric, _ = state.objective
    metrics = _at(best, state.ended.step)
    score = with_interval(metrics, metric)
    found = (
        f"**Best: {best.name}**, {configuration(best.params)}: {metric} {score}, "
        f"KL {plain(metrics, 'kl')} nats. Not confirmed on fresh seeds."
    )
    return [found, ended]


def _champion(state: SweepState) -> list[str]:
    if state.champion is None:
        return []
    return [f"**Champion of {state.champion.model}:** {redact_text(state.champion.reason)}."]


def _at(trial: TrialRow, step: int | None) -> Metrics:
    """A trial's evaluation at one of its checkpoints; None is the last."""
    found = [rung.metrics for rung in trial.rungs if rung.step == step]
    return found[-1] if found else trial.metrics


def _confirmed(state: SweepState, experiment: str, children: dict[int, str]) -> list[str]:
    """What was tried again, in a table: means over seeds on test prompts."""
    planned = state.confirmation
    if planned is None or not state.confirmed:
        return []
    metric = compared_metric(state.objective[0])
    head = ["candidate", "configuration", "step", metric, "against default", "seed spread", "KL"]
    rows = [head, ["---"] * len(head)]
    rows.append(["reference", "", "", with_interval(planned.reference, metric), "", "", "0"])
    for place, tried in enumerate(planned.candidates):
        found = state.confirmed.get(place)
        metrics = {} if found is None else _as_eval(found.metrics)
        link = _link(experiment, trial_name(tried.trial), children.get(tried.trial, ""))
        name = f"{link}, default" if tried.is_default else link
        champion = state.verdict is not None and state.verdict.champion == place
        rows.append(
            [
                f"**{name}**" if champion else name,
                configuration(tried.params),
                f"{tried.step}/{tried.total_steps}",
                with_interval(metrics, metric),
                with_interval(metrics, "against_default"),
                plain(metrics, "seed_spread"),
                plain(metrics, "kl"),
            ]
        )
    seeds, prompts = len(planned.seeds), planned.prompts
    title = f"Confirmation on {seeds} fresh seeds and {prompts:,} unseen prompts:"
    return [title, "\n".join(f"| {' | '.join(row)} |" for row in rows)]


def _as_eval(metrics: Metrics) -> Metrics:
    return {name.replace("confirm/", "eval/", 1): value for name, value in metrics.items()}


def _table(
    state: SweepState, trials: list[TrialRow], experiment: str, children: dict[int, str]
) -> str:
    metric, _ = state.objective
    names = list(state.parameters)
    head = ["trial", *names, metric, "KL", "state", "reason"]
    rows = [head, ["---"] * len(head)]
    if state.reference:
        blank = [""] * len(names)
        rows.append(["reference", *blank, *_scores(state.reference, metric), "", ""])
    for trial in trials:
        link = _link(experiment, trial.name, children.get(trial.number, ""))
        values = [number(trial.params.get(name, "")) for name in names]
        reason = redact_text(trial.reason).replace("|", "/").replace("\n", " ")[:80]
        rows.append([link, *values, *_scores(trial.metrics, metric), trial.status, reason])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _scores(metrics: dict[str, float], metric: str) -> list[str]:
    return [with_interval(metrics, metric), plain(metrics, "kl")]


def _link(experiment: str, name: str, run: str) -> str:
    return f"[{name}]({run_page(experiment, run)})"
