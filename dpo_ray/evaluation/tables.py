"""What a checkpoint did with every single pair and prompt, as tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from dpo_ray.evaluation.baseline import MAIN, Baseline
from dpo_ray.evaluation.judging import Judgement
from dpo_ray.evaluation.logps import PairLogps
from dpo_ray.evaluation.rewards import example_weights, reward_margins
from dpo_ray.evaluation.sampling import Sample

VERDICTS = {1.0: "win", 0.5: "tie", 0.0: "loss", None: "not judged"}


def examples_table(
    pairs: Sequence[Mapping[str, Any]], ratios: PairLogps, beta: float, loss_type: str
) -> pa.Table:
    """Return a row for each pair: l(y_w), l(y_l) and D in nats, beta * D, and its weight."""
    return pa.table(
        {
            "row": pa.array([pair["row"] for pair in pairs], pa.int64()),
            "prompt_text": [pair["prompt_text"] for pair in pairs],
            "l_chosen": ratios.chosen.double().numpy(),
            "l_rejected": ratios.rejected.double().numpy(),
            "margin": (ratios.chosen - ratios.rejected).double().numpy(),
            "reward_margin": reward_margins(ratios, beta).double().numpy(),
            "weight": example_weights(ratios, beta, loss_type).double().numpy(),
            "chosen_tokens": [len(pair["chosen_ids"]) for pair in pairs],
            "rejected_tokens": [len(pair["rejected_ids"]) for pair in pairs],
        }
    )


def completions_table(
    baseline: Baseline, samples: Sequence[Sample], judged: Mapping[str, Sequence[Judgement]]
) -> pa.Table:
    """Return a row for each prompt: both answers, scores, outcome and verdict, judge by judge."""
    main = judged[MAIN]
    scores = baseline.scores.get(MAIN, [None] * len(main))
    table: dict[str, Any] = {
        "row": pa.array([prompt.row for prompt in baseline.prompts], pa.int64()),
        "prompt": [prompt.text for prompt in baseline.prompts],
        "reference": list(baseline.completions),
        "policy": [sample.text for sample in samples],
        "verdict": [VERDICTS[each.outcome] for each in main],
        "outcome": pa.array([each.outcome for each in main], pa.float64()),
        "reference_score": pa.array(list(scores), pa.float64()),
        "policy_score": pa.array([each.score for each in main], pa.float64()),
        "reference_tokens": list(baseline.lengths),
        "policy_tokens": [len(sample.ids) for sample in samples],
    }
    for name, judgements in judged.items():
        if name != MAIN:
            outcomes = [each.outcome for each in judgements]
            table[f"{name}/outcome"] = pa.array(outcomes, pa.float64())
            table[f"{name}/score"] = pa.array([each.score for each in judgements], pa.float64())
    reasons = [each.reason for each in main]
    return pa.table(table | ({"not_judged_because": reasons} if any(reasons) else {}))
