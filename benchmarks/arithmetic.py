"""DPO on plain tensors, without TRL: for the floor, and to judge held-out pairs alike."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dpo_ray.evaluation.logps import collator_for
from dpo_ray.reference.tokenizing import tokenize

MAX_LENGTH = 1024
"""TRL's default; no row of a benchmark is as long."""
TOGETHER = 16


def read_tokens(pairs: Path, tokenizer: Any) -> list[dict[str, Any]]:
    """Tokenize raw pairs, once, as TRL would in every trial."""
    lines = pairs.read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    numbered = [{**row, "row": n, "prompt_text": row["prompt"]} for n, row in enumerate(rows)]
    return tokenize(numbered, tokenizer)


def collate(
    rows: Sequence[dict[str, Any]], tokenizer: Any, device: torch.device
) -> dict[str, Tensor]:
    """Pad pairs to one batch: all chosen sequences, then all rejected ones."""
    ids = [
        {name: row[name] for name in ("prompt_ids", "chosen_ids", "rejected_ids")} for row in rows
    ]
    made = collator_for(tokenizer, MAX_LENGTH)(ids)
    return {name: tensor.to(device) for name, tensor in made.items()}


def pair_logps(model: Any, batch: dict[str, Tensor]) -> Tensor:
    """Return log-probabilities of completions, nats. Shape: (2, pairs), chosen above rejected."""
    ids, mask = batch["input_ids"], batch["completion_mask"]
    logits = model(input_ids=ids, attention_mask=batch["attention_mask"], use_cache=False).logits
    tokens = functional.log_softmax(logits[:, :-1].float(), dim=-1)
    told = tokens.gather(-1, ids[:, 1:, None]).squeeze(-1)
    return (told * mask[:, 1:]).sum(dim=1).view(2, -1)


@torch.no_grad()
def score(model: Any, rows: Sequence[dict[str, Any]], tokenizer: Any) -> Tensor:
    """Return `pair_logps` of all rows, in their order. Shape: (2, rows)."""
    device = next(model.parameters()).device
    starts = range(0, len(rows), TOGETHER)
    batches = [collate(rows[start : start + TOGETHER], tokenizer, device) for start in starts]
    return torch.cat([pair_logps(model, batch) for batch in batches], dim=1)


def gaps(policy: Tensor, reference: Tensor) -> Tensor:
    """Return D of each pair from two of shape (2, pairs)."""
    ratios = policy - reference
    return ratios[0] - ratios[1]


def dpo_loss(policy: Tensor, reference: Tensor, beta: float) -> Tensor:
    """Return the mean of -log sigma(beta * D): Rafailov et al. 2023, equation 7."""
    return -functional.logsigmoid(beta * gaps(policy, reference)).mean()
