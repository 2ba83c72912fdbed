"""The cache entry of token ids: written shard by shard, then put together."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dpo_ray.data.cache import new_entry
from dpo_ray.data.prepared import REPORT, TOKEN_COLUMNS, join_shards, parts_of
from dpo_ray.data.rows import load_rows
from dpo_ray.data.shards import Shard
from dpo_ray.data.split import SPLITS
from dpo_ray.errors import DataError
from dpo_ray.ranks import Ranks
from dpo_ray.reference.token_report import Dropping, report_on
from dpo_ray.reference.tokenizing import tokenize

LENGTHS = "lengths.npy"


def write_token_shard(
    rows: Path, entry: Path, shard: Shard, tokenizer: Any, dropping: Dropping, ranks: Ranks
) -> None:
    """Tokenize one shard of the checked rows beside `entry`, shared among the ranks. Collective.

    Raises:
        DataError: the chat template refuses a row, or there is none. On every rank.
    """
    own = load_rows(rows, shard.part).select(range(shard.start, shard.stop)).to_list()
    share = -(-len(own) // ranks.world)
    own = own[ranks.rank * share : (ranks.rank + 1) * share]
    try:
        tokenized, problem = tokenize(own, tokenizer), None
    except DataError as error:
        tokenized, problem = [], error
    # Agreed before it is raised: ranks that wait in a collective would wait for ever.
    for found in ranks.gather(problem):
        if found is not None:
            raise found
    everything = [row for part in ranks.gather(tokenized) for row in part]
    if ranks.first:
        with new_entry(parts_of(entry) / shard.name) as folder:
            _save(folder, everything, dropping)


def join_tokens(entry: Path, shards: Sequence[Shard], dropping: Dropping) -> None:
    """Put the finished shards together into `entry`, with a report on lengths and losses.

    Raises:
        DataError: a finding whose action is stop, or a split is left without rows.
    """
    parts = parts_of(entry)
    report = report_on(
        [(shard.part, np.load(parts / shard.name / LENGTHS)) for shard in shards], dropping
    )
    with new_entry(entry) as folder:
        join_shards(entry, shards, folder, SPLITS)
        (folder / REPORT).write_text(report.model_dump_json(indent=2))
    shutil.rmtree(parts, ignore_errors=True)


def _save(folder: Path, rows: Sequence[dict[str, Any]], dropping: Dropping) -> None:
    lengths = np.array(
        [[row["row"], *(len(row[name]) for name in TOKEN_COLUMNS)] for row in rows], dtype=np.int32
    )
    np.save(folder / LENGTHS, lengths)
    kept = [row for row, stays in zip(rows, dropping.keeps(lengths), strict=True) if stays]
    if kept:  # an empty dataset would lose its columns on disk
        _dataset(kept).save_to_disk(str(folder))


def _dataset(rows: Sequence[dict[str, Any]]) -> Any:
    import datasets

    features: dict[str, Any] = {
        **dict.fromkeys(TOKEN_COLUMNS, datasets.List(datasets.Value("int32"))),
        "row": datasets.Value("int64"),
        "prompt_text": datasets.Value("string"),
    }
    return datasets.Dataset.from_list(list(rows), features=datasets.Features(features))
