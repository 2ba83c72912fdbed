"""Completions drawn from a policy, the same whichever rank draws them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from dpo_ray.ranks import Ranks


@dataclass(frozen=True)
class Decoding:
    """How tokens are drawn. Temperature 1 and top_p 1 is pure sampling from the policy."""

    max_new_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int = 0
    batch_size: int = 64

    @property
    def pure(self) -> bool:
        """Whether the draws are distributed as the policy itself, which KL needs."""
        return self.temperature == 1.0 and self.top_p == 1.0


@dataclass(frozen=True)
class Sample:
    """One completion: token ids up to and with the end token, its text, whether it ended."""

    ids: list[int]
    text: str
    ended: bool


def sample_completions(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[list[int]],
    decoding: Decoding,
    ranks: Ranks,
    first_batch: int = 0,
) -> list[Sample]:
    """Draw one completion for each tokenized prompt; every rank gets the full list, in order.

    Batches are seeded by their own number, so neither the number of ranks nor the training's
    random state moves a draw, and the training's random state is left as it was.
    `first_batch` is the number of the first batch, where these are not all prompts. Collective.
    """
    size = decoding.batch_size
    batches = [
        (number, list(prompts[start : start + size]))
        for number, start in enumerate(range(0, len(prompts), size), start=first_batch)
    ]
    drawn = [
        _sample_batch(model, tokenizer, batch, decoding, decoding.seed * 100_003 + number)
        for number, batch in ranks.share(batches)
    ]
    return [sample for batch in ranks.collect(drawn) for sample in batch]


@torch.no_grad()
def _sample_batch(
    model: Any, tokenizer: Any, prompts: list[list[int]], decoding: Decoding, seed: int
) -> list[Sample]:
    device = next(model.parameters()).device
    ids, mask = left_pad(prompts, tokenizer.pad_token_id, device)
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        output = model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=decoding.max_new_tokens,
            do_sample=True,
            temperature=decoding.temperature,
            top_p=decoding.top_p,
            top_k=0,
            use_cache=True,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    return [_cut(row, tokenizer) for row in output[:, ids.shape[1] :].tolist()]


def _cut(ids: list[int], tokenizer: Any) -> Sample:
    ended = tokenizer.eos_token_id in ids
    if ended:
        ids = ids[: ids.index(tokenizer.eos_token_id) + 1]
    return Sample(ids, tokenizer.decode(ids, skip_special_tokens=True), ended)


def left_pad(
    rows: Sequence[list[int]], pad: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pad token lists on the left. Returns ids and attention mask, each (rows, longest)."""
    width = max(len(row) for row in rows)
    ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
    return ids, mask
