"""How far the policy has moved from its reference, on its own samples."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from dpo_ray.evaluation.sampling import left_pad

TOGETHER = 32
"""Samples that go through the models at the same time."""


def rao_blackwell_kl(policy_logits: Tensor, reference_logits: Tensor, mask: Tensor) -> Tensor:
    """Return each sample's estimate of KL(policy || reference), nats. Shape: (samples,).

    At every sampled step the expectation over the vocabulary is taken exactly,
    sum_v p(v) (log p(v) - log p_ref(v)), and steps are summed: unbiased, with less variance
    than the log-ratio of the drawn tokens. Logits: (samples, steps, vocabulary); mask:
    (samples, steps), 1 where a token was drawn, the end token included.
    """
    unused = torch.zeros_like(mask)
    return both_estimates(policy_logits, reference_logits, unused, mask)[0]


def drawn_log_ratio(
    policy_logits: Tensor, reference_logits: Tensor, ids: Tensor, mask: Tensor
) -> Tensor:
    """Return log pi(y|x) - log pi_ref(y|x) of the drawn tokens, the k1 estimate of the same KL.

    Shapes as in `rao_blackwell_kl`; ids: (samples, steps). Returns (samples,).
    """
    return both_estimates(policy_logits, reference_logits, ids, mask)[1]


def both_estimates(
    policy_logits: Tensor, reference_logits: Tensor, ids: Tensor, mask: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the Rao-Blackwell and the k1 estimate of each sample. Shapes as above."""
    log_p = policy_logits.float().log_softmax(-1)
    ratio = log_p - reference_logits.float().log_softmax(-1)
    blackwell = ((log_p.exp() * ratio).sum(-1) * mask).sum(-1)
    drawn = (ratio.gather(-1, ids.unsqueeze(-1)).squeeze(-1) * mask).sum(-1)
    return blackwell, drawn


@torch.no_grad()
def kl_of_samples(
    model: Any,
    as_reference: Callable[[], AbstractContextManager[Any]],
    prompts: Sequence[list[int]],
    completions: Sequence[list[int]],
    pad: int,
) -> tuple[list[float], list[float]]:
    """Return the Rao-Blackwell and the k1 estimate for each sample of one batch.

    The completions must be pure samples of the policy. `as_reference()` is a context that yields
    the model that is the reference for one more forward (for LoRA: `model` itself, its adapter
    disabled). Samples of like length go together: padding is work, too.
    """
    order = sorted(range(len(prompts)), key=lambda i: (len(completions[i]), len(prompts[i])))
    found: dict[int, tuple[float, float]] = {}
    for start in range(0, len(order), TOGETHER):
        group = order[start : start + TOGETHER]
        estimates = _kl_of_group(
            model, as_reference, [prompts[i] for i in group], [completions[i] for i in group], pad
        )
        found |= dict(zip(group, zip(*estimates, strict=True), strict=True))
    return [found[i][0] for i in range(len(prompts))], [found[i][1] for i in range(len(prompts))]


def _kl_of_group(
    model: Any,
    as_reference: Callable[[], AbstractContextManager[Any]],
    prompts: Sequence[list[int]],
    completions: Sequence[list[int]],
    pad: int,
) -> tuple[list[float], list[float]]:
    device = next(model.parameters()).device
    rows = [prompt + completion for prompt, completion in zip(prompts, completions, strict=True)]
    ids, attention = left_pad(_right_pad(rows, completions, pad), pad, device)
    steps = max(len(completion) for completion in completions)
    mask = torch.tensor(
        [[1] * len(completion) + [0] * (steps - len(completion)) for completion in completions],
        device=device,
    )
    policy = _logits(model, ids, attention, steps)
    with as_reference() as reference_model:
        reference = _logits(reference_model, ids, attention, steps)
    blackwell, drawn = both_estimates(policy, reference, ids[:, -steps:], mask)
    return blackwell.tolist(), drawn.tolist()


def _right_pad(
    rows: Sequence[list[int]], completions: Sequence[list[int]], pad: int
) -> list[list[int]]:
    # All completions end in the same column, so the steps of every row line up. A causal model
    # never looks at the filler behind a completion.
    steps = max(len(completion) for completion in completions)
    return [
        row + [pad] * (steps - len(completion))
        for row, completion in zip(rows, completions, strict=True)
    ]


def _logits(model: Any, ids: Tensor, attention: Tensor, steps: int) -> Tensor:
    positions = (attention.cumsum(-1) - 1).clamp(min=0)
    output = model(
        input_ids=ids,
        attention_mask=attention,
        position_ids=positions,
        use_cache=False,
        logits_to_keep=steps + 1,
    )
    return output.logits[:, :-1]  # type: ignore[no-any-return]
