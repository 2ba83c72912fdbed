"""The reference's log-probabilities of every pair, once for all trials."""

import shutil
from collections.abc import Sequence
from typing import Any

import torch

from dpo_ray.data.cache import new_entry
from dpo_ray.data.prepared import SCORE_COLUMNS, Prepared, join_shards, load_tokens, parts_of
from dpo_ray.data.shards import Shard
from dpo_ray.data.split import SPLITS
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


def write_score_shard(
    prepared: Prepared,
    shard: Shard,
    model: Any,
    tokenizer: Any,
    *,
    max_length: int,
    dtype: str,
    batch_size: int,
    ranks: Ranks,
) -> int:
    """Score one shard with the bare reference, beside `prepared.scores`. Collective.

    Returns how often the reference was run forward, over all ranks: once a batch.
    """
    collator = collator_for(tokenizer, max_length)
    device = next(model.parameters()).device
    rows = load_tokens(prepared, shard.part).select(range(shard.start, shard.stop)).to_list()
    with scoring_head(model), autocast(dtype, device):
        scores = score_rows(model, rows, collator, batch_size, ranks)
    if ranks.first:
        with new_entry(parts_of(prepared.scores) / shard.name) as folder:
            _columns(scores).save_to_disk(str(folder))
    return -(-len(rows) // batch_size)


def join_scores(prepared: Prepared, shards: Sequence[Shard]) -> None:
    """Put the finished shards together into `prepared.scores`."""
    with new_entry(prepared.scores) as folder:
        join_shards(prepared.scores, shards, folder, SPLITS)
    shutil.rmtree(parts_of(prepared.scores), ignore_errors=True)


def _columns(pairs: list[tuple[float, float]]) -> Any:
    import datasets

    features = datasets.Features({name: datasets.Value("float32") for name in SCORE_COLUMNS})
    values = torch.tensor(pairs).T.tolist()
    return datasets.Dataset.from_dict(dict(zip(SCORE_COLUMNS, values, strict=True)), features)
