"""A tiny Llama that learns to write reviews: the reference model of the toy language."""

from collections.abc import Iterable
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

WINDOW = 64
"""Tokens of one training row: a review has about 20, so most rows hold ends and new starts."""


def new_model(tokenizer: Any, longest: int, seed: int) -> Any:
    """Return an untrained `LlamaForCausalLM` of 0.44 million parameters, embeddings tied."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=128,
                intermediate_size=272,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=4,
                # At the usual 0.02 so small a model takes far longer to notice that a review
                # keeps to one subject and one mood.
                initializer_range=0.08,
                max_position_embeddings=longest,
                tie_word_embeddings=True,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
        )


def review_windows(tokenizer: Any, reviews: Iterable[str]) -> Tensor:
    """Return rows of token ids, each starting where a review starts. Shape: (rows, WINDOW).

    The reviews are one stream with an end-of-sequence token after each, so a row also shows
    where reviews stop, and no row starts in the middle of one: prompts never do either.
    """
    ids = [[*tokenizer(text)["input_ids"], tokenizer.eos_token_id] for text in reviews]
    lengths = torch.tensor([len(review) for review in ids])
    stream = torch.tensor(list(chain.from_iterable(ids)))
    starts = lengths.cumsum(0) - lengths
    whole = starts[starts + WINDOW <= len(stream)]
    return stream.unfold(0, WINDOW, 1)[whole]


def train(model: Any, windows: Tensor, steps: Iterable[int], total: int, seed: int) -> None:
    """Train `model` in place: one batch for each of the `steps`, of which there are `total`."""
    batch_size, peak = 32, 4e-3
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, weight_decay=0.01, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, peak, total_steps=total + 1, pct_start=0.1
    )
    generator = torch.Generator().manual_seed(seed)
    for _ in steps:
        rows = torch.randint(len(windows), (batch_size,), generator=generator)
        loss = model(input_ids=windows[rows], labels=windows[rows]).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
