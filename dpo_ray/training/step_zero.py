"""Before the first step the policy must be the reference; if not, no number of any trial holds."""

import math
from collections.abc import Sequence
from typing import Any

import torch

from dpo_ray.errors import ReferenceMismatch
from dpo_ray.evaluation.logps import PairLogps, pair_logps
from dpo_ray.evaluation.rewards import dpo_losses, log_ratios

FLOAT32_NATS = 1e-3
"""Largest |D| of a pair in float32, whatever its length."""
BFLOAT16_NATS = 0.12
"""Largest |D| in bfloat16 over the square root of the pair's completion tokens: rounding errors
add up like a random walk. Measured as the worst difference between scores taken in bfloat16 and
in float32: 0.040 over 400 short pairs, 0.113 over 158 pairs of up to 950 tokens."""
CHECKED_ROWS = 16


def check_step_zero(
    model: Any, rows: Sequence[dict[str, Any]], collator: Any, beta: float, dtype: str
) -> float:
    """Score rows with the untrained policy and compare with the stored reference.

    Returns the largest |D| in nats.

    Raises:
        ReferenceMismatch: |D| above `tolerance`, so the stored scores belong to
            another model, tokenizer, truncation or precision than the one about to train.
    """
    logps = pair_logps(model, rows, collator, next(model.parameters()).device)
    reference = PairLogps(
        torch.tensor([row["ref_chosen_logps"] for row in rows]),
        torch.tensor([row["ref_rejected_logps"] for row in rows]),
    )
    ratios = log_ratios(logps, reference)
    gaps = (ratios.chosen - ratios.rejected).abs()
    allowed = torch.tensor([tolerance(row, dtype) for row in rows])
    loss = dpo_losses(ratios, beta).mean().item()
    # Negated so that NaN fails too.
    if not (bool((gaps <= allowed).all()) and abs(loss - math.log(2)) <= beta * allowed.max()):
        worst = int((gaps / allowed).nan_to_num(math.inf).argmax())
        raise ReferenceMismatch(
            f"step 0: the untrained policy must score pairs as the stored reference does, "
            f"|D| <= {allowed[worst]:.3g} nats in {dtype} and loss ln 2 = 0.6931; got "
            f"|D| = {gaps[worst]:.3g} and loss {loss:.4f}: the stored reference scores belong to "
            "another model or other rows, so every trial of this sweep would be wrong"
        )
    return float(gaps.max())


def tolerance(row: dict[str, Any], dtype: str) -> float:
    """Return the largest |D|, nats, that rounding alone may give a pair."""
    if dtype == "float32":
        return FLOAT32_NATS
    tokens = len(row["chosen_ids"]) + len(row["rejected_ids"])
    return BFLOAT16_NATS * math.sqrt(tokens)
