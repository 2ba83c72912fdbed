"""How probable a model finds the two completions of each pair."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class PairLogps:
    """Log-probabilities of each pair's completions, nats, summed over tokens. Shape: (pairs,)."""

    chosen: Tensor
    rejected: Tensor


@torch.no_grad()
def pair_logps(
    model: Any, rows: Sequence[dict[str, Any]], collator: Any, device: torch.device
) -> PairLogps:
    """Score one batch of tokenized rows with a model that wears TRL's fused head.

    Sums over completion tokens after truncation, as DPOTrainer._compute_loss does
    (trl/trainer/dpo_trainer.py), so equal batches give equal bits.
    """
    tokens = [{name: row[name] for name in row if name.endswith("_ids")} for row in rows]
    batch = {name: tensor.to(device) for name, tensor in collator(tokens).items()}
    labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
    output = model(
        input_ids=batch["input_ids"],
        attention_mask=batch["attention_mask"],
        use_cache=False,
        labels=labels,
        fused_lm_head=True,
    )
    chosen, rejected = output.log_probs.sum(dim=1).float().cpu().chunk(2)
    return PairLogps(chosen, rejected)


def collator_for(tokenizer: Any, max_length: int) -> Any:
    """Return TRL's own collator: pads a batch, and cuts each sequence at `max_length`."""
    from trl.trainer.dpo_trainer import DataCollatorForPreference

    return DataCollatorForPreference(pad_token_id=tokenizer.pad_token_id, max_length=max_length)
