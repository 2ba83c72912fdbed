"""The reference's log-probabilities of every pair, once for all trials."""

from collections.abc import Sequence
from typing import Any

import torch

from dpo_ray.data.cache import new_entry
from dpo_ray.data.prepared import SCORE_COLUMNS, Prepared, load_tokens, write_splits
from dpo_ray.data.split import SPLITS, Split
from dpo_ray.evaluation.logps import collator_for, pair_logps
from dpo_ray.ranks import Ranks
from dpo_ray.reference.model import autocast, scoring_head


def score_rows(
    model: Any,
    rows: Sequence[dict[str, Any]],
    collator: Any,
    batch_size: int,
    ranks: Ranks,
) -> list[tuple[float, float]]:
    """Return (chosen, rejected) log-probabilities of each row, in order, on every rank.

    The model wears TRL's fused head. Batches are taken in row order. Collective.
    """
    device = next(model.parameters()).device
    batches = [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
    scored = []
    for batch in ranks.share(batches):
        logps = pair_logps(model, batch, collator, device)
        scored.append(list(zip(logps.chosen.tolist(), logps.rejected.tolist(), strict=True)))
    return [pair for batch in ranks.collect(scored) for pair in batch]


def write_scores(
    prepared: Prepared,
    model: Any,
    tokenizer: Any,
    *,
    max_length: int,
    dtype: str,
    batch_size: int,
    ranks: Ranks,
) -> None:
    """Score all splits with the bare reference model into `prepared.scores`. Collective."""
    collator = collator_for(tokenizer, max_length)
    device = next(model.parameters()).device
    splits: dict[Split, Any] = {}
    with scoring_head(model), autocast(dtype, device):
        for name in SPLITS:
            rows = load_tokens(prepared, name).to_list()
            splits[name] = _columns(score_rows(model, rows, collator, batch_size, ranks))
    if ranks.first:
        with new_entry(prepared.scores) as folder:
            write_splits(folder, splits)


def _columns(pairs: list[tuple[float, float]]) -> Any:
    import datasets

    features = datasets.Features({name: datasets.Value("float32") for name in SCORE_COLUMNS})
    values = torch.tensor(pairs).T.tolist()
    return datasets.Dataset.from_dict(dict(zip(SCORE_COLUMNS, values, strict=True)), features)
