"""Before the first step the policy must be the reference; if not, no number of any trial holds."""

import math
from collections.abc import Sequence
from typing import Any

import torch

from dpo_ray.errors import ReferenceMismatch
from dpo_ray.evaluation.logps import PairLogps, pair_logps
from dpo_ray.evaluation.rewards import dpo_losses, log_ratios

TOLERANCE = {"float32": 1e-3, "bfloat16": 2.0}
"""Largest |D| in nats at step 0. bfloat16's was measured: see docs/step_zero.md."""
CHECKED_ROWS = 16


def check_step_zero(
    model: Any, rows: Sequence[dict[str, Any]], collator: Any, beta: float, dtype: str
) -> float:
    """Score rows with the untrained adapter on and compare with the stored reference.

    Returns the largest |D| in nats.

    Raises:
        ReferenceMismatch: |D| above the dtype's tolerance, so the stored scores belong to
            another model, tokenizer, truncation or precision than the one about to train.
    """
    logps = pair_logps(model, rows, collator, next(model.parameters()).device)
    reference = PairLogps(
        torch.tensor([row["ref_chosen_logps"] for row in rows]),
        torch.tensor([row["ref_rejected_logps"] for row in rows]),
    )
    ratios = log_ratios(logps, reference)
    gap = (ratios.chosen - ratios.rejected).abs().max().item()
    loss = dpo_losses(ratios, beta).mean().item()
    tolerance = TOLERANCE[dtype]
    # Negated so that NaN fails too.
    if not (gap <= tolerance and abs(loss - math.log(2)) <= beta * tolerance):
        raise ReferenceMismatch(
            f"step 0: the untrained policy must score pairs as the stored reference does, "
            f"|D| <= {tolerance:g} nats in {dtype} and loss ln 2 = 0.6931; got |D| = {gap:.3g} "
            f"and loss {loss:.4f}: the stored reference scores belong to another model or "
            "other rows, so every trial of this sweep would be wrong"
        )
    return float(gap)
