"""A trained policy's card in Markdown: where it comes from, what it is worth, how it is loaded."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from dpo_ray.config.model import HUB_ID
from dpo_ray.config.redaction import redact_text
from dpo_ray.evaluation.answer_columns import compared_metric
from dpo_ray.report.facts import confirmation_of
from dpo_ray.report.ranking import RankedRow
from dpo_ray.tracking.flags import flags
from dpo_ray.tracking.records import Metrics
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.trial_row import TrialRow
from dpo_ray.tracking.wording import configuration, number, plain, with_interval

Kind = Literal["adapter", "merged", "model"]
"""A LoRA adapter; a model it was merged into; a model whose weights were all trained."""
WHAT = {
    "adapter": "A LoRA adapter of {base}",
    "merged": "{base} with a LoRA adapter merged in",
    "model": "{base}, all weights trained",
}
MEASURED = ("win_rate", "gold_reward", "accuracy", "kl")
"""Shown with their intervals where one was measured, below the objective."""
HELD = ("length_ratio", "repetition")
"""Shown as plain numbers: what it may have cost."""
WORDS = {
    "win_rate": "win rate against the reference",
    "gold_reward": "reward of the judge",
    "accuracy": "pairs ordered right",
    "kl": "KL from the reference, nats",
    "length_ratio": "length, reference = 1",
    "repetition": "repetition",
}


def model_card(
    state: SweepState, row: RankedRow, kind: Kind, folder: str, dtype: str | None = None
) -> str:
    """Return the card of the checkpoint `row` stands for, as the README.md of a model's folder.

    `folder` is what the loading lines open: a path, a hub id, or a placeholder for either; `dtype`
    what they open it in, the sweep's unless it is said.
    Everything in it stands in the journal; passwords in URLs are starred out.

    Raises:
        ValueError: the row is the reference, which has no card here.
    """
    trial = row.trial
    if trial is None:
        raise ValueError("the reference was not trained here, so it has no card")
    parts = [
        _front_matter(state, kind),
        f"# {_name(state)}, {row.name}{', the default configuration' * row.is_control}",
        f"{_what(state, kind)}, trained by Direct Preference Optimization and chosen among "
        f"{len(state.trials)} configurations of the sweep `{_name(state)}`.",
        *([f"**The verdict:** {state.verdict.verdict}."] if state.verdict else []),
        "## Load it",
        *_loading(state, kind, folder, dtype),
        "## What it is worth",
        *_worth(state, row, trial),
        "## How it was made",
        _table(["", ""], _made(state, row, trial)),
    ]
    return redact_text("\n\n".join(parts)) + "\n"


def base_model(state: SweepState) -> tuple[str, str | None]:
    """Return the name of the model the sweep started from, and its commit if it is a hub's."""
    revision = state.prepared.hashes.get("model_revision") if state.prepared else None
    return str(_sweep(state, "model").get("name", "a model")), revision


def _front_matter(state: SweepState, kind: Kind) -> str:
    """What a model hub reads: only ids that a hub knows."""
    name, revision = base_model(state)
    source = str(_sweep(state, "data").get("source", ""))
    library = "peft" if kind == "adapter" else "transformers"
    lines = ["---", f"library_name: {library}", "pipeline_tag: text-generation"]
    if revision is not None:
        relation = "adapter" if kind == "adapter" else "finetune"
        lines += [f"base_model: {name}", f"base_model_relation: {relation}"]
    if HUB_ID.fullmatch(source) and state.data and state.data.report["rows"].get("revision"):
        lines += ["datasets:", f"- {source}"]
    return "\n".join(
        [*lines, "tags:", "- dpo", "- dpo-ray", *["- lora"] * (kind != "model"), "---"]
    )


def _what(state: SweepState, kind: Kind) -> str:
    name, revision = base_model(state)
    base = f"`{name}`" + (f" at commit `{revision}`" if revision else "")
    text = WHAT[kind].format(base=f"{base} after supervised fine-tuning" if state.sft else base)
    return text[0].upper() + text[1:]


def _loading(state: SweepState, kind: Kind, folder: str, dtype: str | None) -> Iterator[str]:
    auto, imports = "AutoModelForCausalLM", "from transformers import AutoModelForCausalLM"
    if kind == "adapter":
        auto = "AutoPeftModelForCausalLM"
        imports = f"from peft import {auto}\nfrom transformers import AutoTokenizer\n"
    else:
        imports += ", AutoTokenizer\n"
    held, opened = _sweep(state, "model"), json.dumps(folder, ensure_ascii=False)
    dtype = dtype or held.get("dtype", "float32")
    yield (
        "```python\n"
        f"{imports}\n"
        f'model = {auto}.from_pretrained({opened}, dtype="{dtype}")\n'
        f"tokenizer = AutoTokenizer.from_pretrained({opened})\n"
        "```"
    )
    if held.get("quantization", "none") != "none":
        yield (
            f"Its base was held in {held['quantization']} in training. Opened as above, in full, "
            "it writes nearly the same."
        )


def _worth(state: SweepState, row: RankedRow, trial: TrialRow) -> Iterator[str]:
    evaluation = _sweep(state, "evaluation")
    prompts, planned = evaluation.get("prompts"), state.confirmation
    again = confirmation_of(state, trial, row.step)
    head = ["", f"search: {prompts} validation prompts"]
    columns = [row.metrics]
    if again is not None and planned is not None:
        head.append(f"confirmation: {len(planned.seeds)} fresh seeds, {planned.prompts} prompts")
        columns.append(_as_eval(again))
    columns.append(state.reference)
    yield _table([*head, "the reference"], _numbers(state, columns))
    yield (
        "Intervals are 95 %. The search's numbers are of the weights in this folder; they are "
        f"optimistic, as the checkpoint was chosen by them. {_again(len(columns) > 2)}"
    )
    for flag in flags([rung for rung in trial.rungs if rung.step <= row.step]):
        yield f"Beware: {flag}."


def _again(confirmed: bool) -> str:
    if not confirmed:
        return "No confirmation on fresh seeds and unseen prompts was made of it."
    return (
        "The confirmation's are means over other trainings of the same configuration, on prompts "
        "that no search has seen."
    )


def _numbers(state: SweepState, columns: list[Metrics]) -> Iterator[list[str]]:
    objective = compared_metric(state.objective[0])
    for metric in dict.fromkeys([objective, *MEASURED]):
        yield [WORDS.get(metric, metric), *(with_interval(each, metric) for each in columns)]
    for metric in HELD:
        yield [WORDS[metric], *(plain(each, metric) for each in columns)]


def _made(state: SweepState, row: RankedRow, trial: TrialRow) -> Iterator[list[str]]:
    training, data = {**_sweep(state, "training"), **trial.params}, _sweep(state, "data")
    name, revision = base_model(state)
    yield ["base model", f"`{name}`" + (f", commit `{revision}`" if revision else "")]
    yield ["reference", "the base model after SFT" if state.sft else "the base model itself"]
    yield ["pairs", f"`{data.get('source')}`{_rows(state)}"]
    yield ["method", _method(training)]
    yield ["searched", configuration(trial.params)]
    yield ["steps", f"{row.step} of {trial.total_steps}"]
    shown = ("lora_rank", "lora_alpha", "target_modules", "learning_rate", "lr_scheduler")
    lora = training.get("mode") != "full"
    for key in (*shown, "batch_size"):
        if key in training and (lora or key not in shown[:3]):
            yield [key, number(training[key])]
    if trial.seed is not None:
        yield ["seed", str(trial.seed)]
    yield ["dtype", str(_sweep(state, "model").get("dtype", "float32"))]
    yield ["max_length", f"{data.get('max_length')} tokens"]
    if state.plan:
        made = ", ".join(f"{name} {each}" for name, each in state.plan.versions.items())
        yield ["versions", made]


def _method(training: dict[str, Any]) -> str:
    """`DPO (sigmoid), beta 0.1`, with what changes the loss."""
    text = f"DPO ({training.get('loss_type', 'sigmoid')}), beta {number(training.get('beta'))}"
    if not training.get("example_weight", True):
        text += ", every pair of equal weight"
    if training.get("sft_weight"):
        text += f", SFT's loss added with weight {number(training['sft_weight'])}"
    return text


def _rows(state: SweepState) -> str:
    if state.data is None:
        return ""
    rows, tokens = state.data.report["rows"], state.data.report["tokens"]["rows"]
    commit = f" at commit `{rows['revision']}`" if rows.get("revision") else ""
    return f"{commit}, {tokens.get('train', 0):,} trained on, SHA-256 `{rows['digest'][:16]}`"


def _as_eval(metrics: Metrics) -> Metrics:
    return {name.replace("confirm/", "eval/", 1): value for name, value in metrics.items()}


def _name(state: SweepState) -> str:
    return state.plan.name if state.plan else "a sweep"


def _sweep(state: SweepState, section: str) -> dict[str, Any]:
    plan = state.plan.plan if state.plan else {}
    return dict(plan.get("sweep", {}).get(section) or {})


def _table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    cells = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
