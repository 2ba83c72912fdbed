"""The card of a registered policy: what it is, what it was measured to do, how it is loaded."""

from collections.abc import Iterator, Mapping
from typing import Any

from dpo_ray.config.redaction import redact_text
from dpo_ray.data.adapter_card import AdapterCard
from dpo_ray.evaluation.answer_columns import compared_metric
from dpo_ray.tracking.records import CandidateConfirmed, Metrics, PolicyRecommended
from dpo_ray.tracking.results import result_metrics
from dpo_ray.tracking.state import SweepState
from dpo_ray.tracking.wording import configuration, number, plain, with_interval

LOADING = """```python
import mlflow
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base = AutoModelForCausalLM.from_pretrained({base!r}, dtype={dtype!r})
policy = PeftModel.from_pretrained(base, mlflow.artifacts.download_artifacts({uri!r}))
tokenizer = AutoTokenizer.from_pretrained({base!r})
```"""


def card(state: SweepState, chosen: PolicyRecommended, files: AdapterCard | None, uri: str) -> str:
    """Return the card in Markdown.

    `files` is the card beside the adapter, None where it cannot be read any more; `uri` is the
    version's, `models:/NAME/NUMBER`.
    """
    return "\n\n".join(_parts(state, chosen, files, uri))


def evaluation_tags(state: SweepState, chosen: PolicyRecommended) -> dict[str, str]:
    """Return a version's evaluation: the search's under `result/`, the confirmation's beside it."""
    row = state.row(chosen.trial)
    tags = {
        name: f"{value:.4g}"
        for name, value in result_metrics(_search(state, chosen), state.objectives).items()
    }
    found = _confirmed(state, chosen)
    if found is not None:
        tags |= {name: f"{value:.4g}" for name, value in found.metrics.items() if _is_told(name)}
    if state.verdict is not None:
        tags["confirm.verdict"] = redact_text(state.verdict.verdict)
    return tags | {f"params.{name}": str(value) for name, value in row.params.items()}


def _parts(
    state: SweepState, chosen: PolicyRecommended, files: AdapterCard | None, uri: str
) -> Iterator[str]:
    row, plan = state.row(chosen.trial), state.plan.plan if state.plan else {}
    sweep: Mapping[str, Any] = plan.get("sweep", {})
    early = (
        "" if chosen.step == row.total_steps else f" after {chosen.step} of {row.total_steps} steps"
    )
    yield f"A LoRA adapter trained by DPO: {configuration(row.params)}{early}."
    yield _verdict(state)
    yield "\n".join(_table(state, chosen))
    yield "\n".join(f"- {each}" for each in _facts(state, row.params, sweep))
    base = files.model if files else str(sweep.get("model", {}).get("name", "the base model"))
    dtype = files.dtype if files else str(sweep.get("model", {}).get("dtype", "auto"))
    yield "To load it:"
    yield LOADING.format(base=base, dtype=dtype, uri=uri)


def _verdict(state: SweepState) -> str:
    if state.verdict is None:
        return "Not confirmed on fresh seeds: the number below is that of a search, and optimistic."
    return f"Confirmation: {redact_text(state.verdict.verdict)}."


def _table(state: SweepState, chosen: PolicyRecommended) -> Iterator[str]:
    metric = compared_metric(state.objective[0])
    yield f"| | {metric} [95 %] | KL, nats |"
    yield "| --- | --- | --- |"
    search = _search(state, chosen)
    yield _line("in the search, validation prompts", search, metric)
    found = _confirmed(state, chosen)
    if found is not None and state.confirmation is not None:
        again = {name.replace("confirm/", "eval/", 1): each for name, each in found.metrics.items()}
        seeds, prompts = len(state.confirmation.seeds), state.confirmation.prompts
        where = f"trained again, {seeds} seeds, {prompts:,} test prompts"
        yield _line(where, again, metric)
    yield _line("the reference itself", state.reference, metric)


def _line(what: str, metrics: Metrics, metric: str) -> str:
    return f"| {what} | {with_interval(metrics, metric)} | {plain(metrics, 'kl')} |"


def _facts(state: SweepState, params: Mapping[str, Any], sweep: Mapping[str, Any]) -> Iterator[str]:
    model, data, training = (sweep.get(key) or {} for key in ("model", "data", "training"))
    hashes = state.prepared.hashes if state.prepared else {}
    revision = hashes.get("model_revision") or model.get("revision")
    tuned = ", fine-tuned first (SFT); the adapter belongs to that result" if state.sft else ""
    yield f"base model: {model.get('name')}, revision {revision or 'none (a local model)'}{tuned}"
    if "weights" in hashes:
        yield f"weights of the base: sha256 over its files {hashes['weights'][:16]}"
    source = redact_text(str(data.get("source")))
    yield f"data: {source}, sha256 {hashes.get('data', 'unknown')[:16]}"
    beta = params.get("beta", training.get("beta"))
    loss = params.get("loss_type", training.get("loss_type"))
    yield f"beta {number(beta)}, loss {loss}"
    yield f"sweep {state.plan.name if state.plan else ''}; its run has plan, tables and figures"
    yield "licence: unknown here; the base model's and the data's licences hold"


def _search(state: SweepState, chosen: PolicyRecommended) -> Metrics:
    rungs = state.row(chosen.trial).rungs
    return next((each.metrics for each in rungs if each.step == chosen.step), {})


def _confirmed(state: SweepState, chosen: PolicyRecommended) -> CandidateConfirmed | None:
    """What became of this very checkpoint when it was tried again."""
    tried = state.confirmation.candidates if state.confirmation else []
    for place, each in enumerate(tried):
        if (each.trial, each.step) == (chosen.trial, chosen.step):
            return state.confirmed.get(place)
    return None


def _is_told(name: str) -> bool:
    told = ("win_rate", "kl", "against_default", "optimism", "seeds", "seed_spread", "accuracy")
    plain_name = name.removeprefix("confirm/")
    return plain_name.removesuffix("_low").removesuffix("_high") in told
