"""What the mirror writes into MLflow in words: parameters, YAML files, the sweep's note."""

import io
import json
from collections.abc import Mapping
from math import log10
from typing import Any
from urllib.parse import quote

from ruamel.yaml import YAML

from dpo_ray.config.redaction import redact, redact_text
from dpo_ray.tracking.mlflow_book import REFERENCE, Key
from dpo_ray.tracking.sft_lines import sft_result
from dpo_ray.tracking.state import SweepState, TrialRow
from dpo_ray.tracking.wording import configuration, number, plain, with_interval


def searched_params(trial: TrialRow, parameters: dict[str, dict[str, Any]]) -> dict[str, str]:
    """The searched values, exact, with `log10.NAME` beside each one whose scale is logarithmic.

    Only these: MLflow's charts take every parameter for an axis, and draw it linearly.
    """
    found: dict[str, str] = {}
    for name, value in trial.params.items():
        found[name] = str(value)
        logarithmic = name == "beta" or parameters.get(name, {}).get("log", False)
        if logarithmic and isinstance(value, float) and value > 0:
            found[f"log10.{name}"] = f"{log10(value):.4f}"
    return found


def plan_yaml(state: SweepState) -> str:
    """The resolved plan as people would write it, without its secrets."""
    return _yaml(state.plan.plan if state.plan else {})


def sft_yaml(state: SweepState) -> str:
    """How the reference is fine-tuned: `reference.sft`, and what it was used on."""
    row = state.sft
    if row is None:
        return ""
    texts = {"used": row.texts, "cut": row.cut, "left_out": row.left_out}
    facts = {"model": row.base, "texts": texts, "total_steps": row.total_steps}
    return _yaml(facts | {"settings": row.settings})


def _yaml(facts: Mapping[str, Any]) -> str:
    text = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.dump(redact(facts), text)
    return text.getvalue()


def note(state: SweepState, experiment: str, runs: Mapping[Key, str]) -> str:
    """The sweep's page in Markdown: verdict and links first, since MLflow folds the rest away.

    `runs` maps trial numbers to run ids, None to the sweep's own, REFERENCE to the SFT's.
    """
    children = {number: run for number, run in runs.items() if isinstance(number, int)}
    links = [f"[All trials]({_children_link(experiment, runs[None])})"]
    if children:
        links.append(f"[compare them]({_compare_link(experiment, list(children.values()))})")
    if REFERENCE in runs:
        links.append(f"[the reference's SFT](#/experiments/{experiment}/runs/{runs[REFERENCE]})")
    parts = [_verdict(state), " · ".join(links), *_sft(state), _table(state, experiment, children)]
    return "\n\n".join(parts)


def _sft(state: SweepState) -> list[str]:
    if state.sft is None:
        return []
    text = redact_text(sft_result(state.sft)).replace("\n", " ")
    return [text[0].upper() + text[1:]]


def _verdict(state: SweepState) -> str:
    if state.ended is None:
        return "**Running.**"
    ended = f"**Ended with exit code {state.ended.exit_code}:** {redact_text(state.ended.reason)}"
    best = state.trials.get(-1 if state.ended.best is None else state.ended.best)
    if best is None:
        return ended
    metric, _ = state.objective
    score = with_interval(best.metrics, metric)
    return (
        f"**Best: {best.name}**, {configuration(best.params)}: {metric} {score}, "
        f"KL {plain(best.metrics, 'kl')} nats. Not yet confirmed on fresh seeds.\n\n{ended}"
    )


def _table(state: SweepState, experiment: str, children: dict[int, str]) -> str:
    metric, _ = state.objective
    names = list(state.parameters)
    head = ["trial", *names, metric, "KL", "state", "reason"]
    rows = [head, ["---"] * len(head)]
    if state.reference:
        blank = [""] * len(names)
        rows.append(["reference", *blank, *_scores(state.reference, metric), "", ""])
    for trial in sorted(state.trials.values(), key=lambda row: row.number):
        link = f"[{trial.name}](#/experiments/{experiment}/runs/{children.get(trial.number, '')})"
        values = [number(trial.params.get(name, "")) for name in names]
        reason = redact_text(trial.reason).replace("|", "/").replace("\n", " ")[:80]
        rows.append([link, *values, *_scores(trial.metrics, metric), trial.status, reason])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _scores(metrics: dict[str, float], metric: str) -> list[str]:
    return [with_interval(metrics, metric), plain(metrics, "kl")]


def _children_link(experiment: str, parent: str) -> str:
    """The runs table, this sweep's trials only; the URL is what opens it outside GenAI mode."""
    found = quote(f"tags.`mlflow.parentRunId` = '{parent}'")
    return f"#/experiments/{experiment}/runs?workflowType=machine_learning&searchFilter={found}"


def _compare_link(experiment: str, runs: list[str]) -> str:
    """MLflow's compare page, on which parallel coordinates are drawn."""
    asked = (json.dumps(part, separators=(",", ":")) for part in (runs, [experiment]))
    return "#/compare-runs?runs={}&experiments={}".format(*map(quote, asked))
