"""Pure samples from a model: temperature 1, nothing cut off the distribution."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

NEW_TOKENS = 40


@dataclass(frozen=True)
class Completion:
    """What a model wrote after a prompt; `finished` when it ended by itself."""

    text: str
    finished: bool


def sample_completions(
    model: Any, tokenizer: Any, prompts: Sequence[str], seed: int
) -> list[Completion]:
    """Sample one completion a prompt, all in one batch, leaving torch's random state alone."""
    batch = tokenizer(
        list(prompts),
        return_tensors="pt",
        padding=True,
        padding_side="left",
        return_token_type_ids=False,
    )
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        rows = model.generate(
            **batch,
            max_new_tokens=NEW_TOKENS,
            do_sample=True,
            temperature=1.0,
            top_k=0,
            top_p=1.0,
        )
    written = rows[:, batch["input_ids"].shape[1] :]
    texts = tokenizer.batch_decode(written, skip_special_tokens=True)
    ends = (written == tokenizer.eos_token_id).any(dim=1).tolist()
    return [Completion(text, end) for text, end in zip(texts, ends, strict=True)]
