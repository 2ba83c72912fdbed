"""A trained policy asked as what DPO makes of it: a reward model.

r(x, y) = beta * (log pi(y|x) - log pi_ref(y|x)): Rafailov et al. 2023, arXiv 2305.18290, section 4.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from dpo_ray.data.adapter_card import AdapterCard
from dpo_ray.data.weights import check_weights
from dpo_ray.errors import ConfigError
from dpo_ray.evaluation.evaluate import PAIRS_TOGETHER
from dpo_ray.evaluation.logps import PairLogps, collator_for, pair_logps
from dpo_ray.evaluation.rewards import UNWEIGHTED, log_ratios
from dpo_ray.evaluation.tables import examples_table
from dpo_ray.reference.locating import is_snapshot, refuse_own_code
from dpo_ray.reference.model import autocast, load_tokenizer, scoring_head
from dpo_ray.reference.tokenizing import tokenize
from dpo_ray.training.as_trained import load_as_trained

Told = Callable[[int, int], None]
"""Told how many of how many pairs are scored."""


def implicit_rewards(
    policy: Path,
    card: AdapterCard,
    rows: Sequence[dict[str, Any]],
    told: Told = lambda done, total: None,
) -> pa.Table:
    """Return a row for each pair, in the order of `rows`.

    `policy` is the folder of an adapter, or of a whole model. Columns: those of
    `evaluation.tables.examples_table`, and the rewards `r_chosen` and `r_rejected`, in nats times
    beta. A completion is scored as in training, cut at the card's max_length.

    Raises:
        ConfigError: policy or reference do not load.
        DataError: a row cannot be tokenized.
    """
    reference = Path(card.model)
    refuse_own_code(reference, trusted=card.trust_remote_code and is_snapshot(reference))
    tokenizer = load_tokenizer(reference, card.trust_remote_code)
    pairs = tokenize(rows, tokenizer)
    collator = collator_for(tokenizer, card.max_length)
    asked, as_reference = _models(policy, card)
    by_policy = _logps(asked, pairs, collator, card, lambda done: told(done, 2 * len(pairs)))
    with as_reference() as other:
        by_reference = _logps(
            other, pairs, collator, card, lambda done: told(len(pairs) + done, 2 * len(pairs))
        )
    loss = card.loss_type if card.example_weight else UNWEIGHTED
    table = examples_table(pairs, log_ratios(by_policy, by_reference), card.beta, loss)
    for name in ("chosen", "rejected"):
        rewards = card.beta * table[f"l_{name}"].to_numpy()
        table = table.append_column(f"r_{name}", pa.array(rewards))
    return table


def _models(
    policy: Path, card: AdapterCard
) -> tuple[Any, Callable[[], AbstractContextManager[Any]]]:
    """Return the policy, and what gives the reference for as long as its context lasts."""
    if not (policy / "adapter_config.json").is_file():
        base = load_as_trained(Path(card.model), card)
        return load_as_trained(policy, card), lambda: nullcontext(base)
    from peft import PeftModel

    check_weights(policy)
    base = load_as_trained(Path(card.model), card)
    try:
        adapted = PeftModel.from_pretrained(base, str(policy))
    except (ValueError, RuntimeError, OSError) as error:
        first = str(error).strip().splitlines()[0]
        raise ConfigError(f"{policy} is no adapter of {card.model}: {first}") from error
    return adapted.eval().base_model.model, lambda: _bare(adapted)


@contextmanager
def _bare(adapted: Any) -> Iterator[Any]:
    """Yield the base model while its adapter is off."""
    with adapted.disable_adapter():
        yield adapted.base_model.model


def _logps(
    model: Any,
    pairs: Sequence[dict[str, Any]],
    collator: Any,
    card: AdapterCard,
    told: Callable[[int], None],
) -> PairLogps:
    """Score the longest pairs first, together with others of their length, and put them back."""
    order = sorted(range(len(pairs)), key=lambda i: -_length(pairs[i]))
    chosen, rejected = torch.empty(len(pairs)), torch.empty(len(pairs))
    device = next(model.parameters()).device
    with scoring_head(model), autocast(card.dtype, device):
        for start in range(0, len(order), PAIRS_TOGETHER):
            places = order[start : start + PAIRS_TOGETHER]
            found = pair_logps(model, [pairs[i] for i in places], collator, device)
            chosen[places], rejected[places] = found.chosen, found.rejected
            told(min(start + PAIRS_TOGETHER, len(order)))
    return PairLogps(chosen, rejected)


def _length(pair: dict[str, Any]) -> int:
    return len(pair["prompt_ids"]) + max(len(pair["chosen_ids"]), len(pair["rejected_ids"]))
