"""What the reference itself would say: the opponent in every trial's win rate."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from dpo_ray.data.cache import new_entry
from dpo_ray.data.prepared import Prepared, load_tokens
from dpo_ray.evaluation.baseline import Baseline
from dpo_ray.evaluation.degeneration import mean, repetition
from dpo_ray.evaluation.judges import Judge
from dpo_ray.evaluation.sampling import Decoding, Sample, sample_completions
from dpo_ray.evaluation.win_rate import outcomes, win_rate
from dpo_ray.ranks import Ranks


def validation_prompts(prepared: Prepared, count: int) -> tuple[list[list[int]], list[str]]:
    """Return token ids and texts of the first `count` distinct validation prompts."""
    rows = load_tokens(prepared, "validation").select_columns(["prompt_ids", "prompt_text"])
    distinct = {tuple(row["prompt_ids"]): row["prompt_text"] for row in rows}
    chosen = list(distinct.items())[:count]
    return [list(ids) for ids, _ in chosen], [text for _, text in chosen]


def write_completions(
    prepared: Prepared,
    model: Any,
    tokenizer: Any,
    *,
    count: int,
    decoding: Decoding,
    judge: Judge,
    tie: float,
    ranks: Ranks,
) -> None:
    """Sample the reference twice and judge it into `prepared.completions`. Collective.

    The second sample plays against the first: a judge and a decoding that are fair to equals
    give one half (the A/A check), which is the reference's own row in every table.
    """
    prompts, texts = validation_prompts(prepared, count)
    baseline = sample_completions(model, tokenizer, prompts, decoding, ranks)
    other_seed = replace(decoding, seed=decoding.seed + 1)
    again = sample_completions(model, tokenizer, prompts, other_seed, ranks)
    if not ranks.first:
        return
    scores = judge(texts, [sample.text for sample in baseline])
    again_scores = judge(texts, [sample.text for sample in again])
    metrics = reference_metrics(baseline, scores, win_rate(outcomes(again_scores, scores, tie)))
    record = Baseline(
        prompts=prompts,
        texts=texts,
        completions=[sample.text for sample in baseline],
        scores=scores,
        length=mean([len(sample.ids) for sample in baseline]),
    )
    with new_entry(prepared.completions) as folder:
        (folder / "baseline.json").write_text(json.dumps(asdict(record), ensure_ascii=False))
        (folder / "metrics.json").write_text(json.dumps(metrics))


def reference_metrics(
    samples: Sequence[Sample], scores: Sequence[float], itself: Any
) -> dict[str, float]:
    """Return the reference's own row: every metric that means something for it."""
    return {
        "eval/win_rate": itself.value,
        "eval/win_rate_low": itself.low,
        "eval/win_rate_high": itself.high,
        "eval/gold_reward": mean(scores),
        "eval/kl": 0.0,
        "eval/logratio_margin": 0.0,
        "eval/accuracy": 0.5,
        "eval/length": mean([len(sample.ids) for sample in samples]),
        "eval/length_ratio": 1.0,
        "eval/repetition": mean([repetition(sample.ids) for sample in samples]),
        "eval/truncated": mean([float(not sample.ended) for sample in samples]),
    }


def load_baseline(prepared: Prepared) -> Baseline:
    """Read the opponent's completions and scores."""
    return Baseline(**json.loads((prepared.completions / "baseline.json").read_text()))
