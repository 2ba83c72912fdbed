"""Tokenizing, once, exactly as DPOTrainer would in every trial."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dpo_ray.data.cache import new_entry
from dpo_ray.data.prepared import TOKEN_COLUMNS, write_splits
from dpo_ray.data.split import Split
from dpo_ray.errors import DataError
from dpo_ray.evaluation.judges import prompt_text

Rows = Sequence[dict[str, Any]]


def write_tokens(
    target: Path, splits: Mapping[Split, Rows], tokenizer: Any, max_length: int
) -> None:
    """Tokenize every split into the cache entry `target`.

    Raises:
        DataError: a split is left without rows, so training or judging would have nothing.
    """
    tokenized = {name: tokenize(name, rows, tokenizer, max_length) for name, rows in splits.items()}
    counts: dict[str, int] = {name: len(dataset) for name, dataset in tokenized.items()}
    rows_before = sum(len(rows) for rows in splits.values())
    counts["prompt_over_max_length"] = rows_before - sum(counts.values())
    counts["completion_cut"] = sum(_cut_rows(each, max_length) for each in tokenized.values())
    with new_entry(target) as folder:
        write_splits(folder, tokenized)
        (folder / "counts.json").write_text(json.dumps(counts))


def tokenize(name: str, rows: Rows, tokenizer: Any, max_length: int) -> Any:
    """Return a dataset of token ids, row numbers and prompt texts, long prompts dropped.

    TRL's own preparation does the work, so stock DPOTrainer would see the same ids: it reads
    nothing of the trainer but the tokenizer and these arguments.
    """
    import datasets
    from trl import DPOTrainer

    if not rows:
        raise _too_few(name, "the split has no prompt")
    raw = datasets.Dataset.from_list(
        [{**row, "prompt_text": prompt_text(row["prompt"])} for row in rows]
    )
    arguments = SimpleNamespace(
        dataset_num_proc=None, max_length=max_length, truncation_mode="keep_start"
    )
    trainer = SimpleNamespace(_tokenizer=tokenizer)
    with _alone():
        dataset = DPOTrainer._prepare_dataset(trainer, raw, tokenizer, arguments, name)
    if len(dataset) == 0:
        raise _too_few(name, f"every prompt has data.max_length={max_length} tokens or more")
    return dataset.select_columns([*TOKEN_COLUMNS, "row", "prompt_text"])


@contextmanager
def _alone() -> Iterator[None]:
    """Take this process for a single one: TRL lets ranks tokenize in turns, by barriers.

    Here one rank tokenizes and the others wait elsewhere, so a barrier would last for ever.
    """
    from accelerate import DistributedType, PartialState

    state = PartialState()
    kind, state.distributed_type = state.distributed_type, DistributedType.NO
    try:
        yield
    finally:
        state.distributed_type = kind


def _too_few(name: str, reason: str) -> DataError:
    return DataError(
        f"the {name} split needs at least one row, but {reason}; "
        "add rows, or change data.validation, data.test or data.max_length"
    )


def _cut_rows(dataset: Any, max_length: int) -> int:
    return sum(
        len(row["prompt_ids"]) + max(len(row["chosen_ids"]), len(row["rejected_ids"])) > max_length
        for row in dataset
    )
