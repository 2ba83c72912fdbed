"""Tokenizing, once, exactly as DPOTrainer would in every trial."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from dpo_ray.data.prepared import TOKEN_COLUMNS
from dpo_ray.data.template_limit import bounded_templates
from dpo_ray.errors import DataError

KEPT = (*TOKEN_COLUMNS, "row", "prompt_text")


def tokenize(rows: Sequence[dict[str, Any]], tokenizer: Any) -> list[dict[str, Any]]:
    """Return token ids, row numbers and prompt texts of checked rows, none dropped or cut.

    TRL's own preparation does the work, so stock DPOTrainer would see the same ids: it reads
    nothing of the trainer but the tokenizer and these arguments.

    Raises:
        DataError: the chat template refuses a row, takes for ever over it, or there is none; the
            text names the row.
    """
    if not rows:
        return []
    _refuse_missing_template(rows[0], tokenizer)
    try:
        return _tokenize(rows, tokenizer)
    except Exception as error:
        raise _guilty_row(rows, tokenizer, error) from error


def _tokenize(rows: Sequence[dict[str, Any]], tokenizer: Any) -> list[dict[str, Any]]:
    import datasets
    from trl import DPOTrainer

    conversational = isinstance(rows[0]["chosen"], list)
    form = datasets.Json() if conversational else datasets.Value("string")
    features: dict[str, Any] = dict.fromkeys(("prompt", "chosen", "rejected"), form)
    if "tools" in rows[0]:
        features["tools"] = datasets.Json()
    features |= {"row": datasets.Value("int64"), "prompt_text": datasets.Value("string")}
    raw = datasets.Dataset.from_list(list(rows), features=datasets.Features(features))
    arguments = SimpleNamespace(
        dataset_num_proc=None, max_length=None, truncation_mode="keep_start"
    )
    with _alone(), _uncached(), bounded_templates(tokenizer):
        made = DPOTrainer._prepare_dataset(
            SimpleNamespace(_tokenizer=tokenizer), raw, tokenizer, arguments, "pairs"
        )
    return list(made.select_columns(list(KEPT)).to_list())


@contextmanager
def _alone() -> Iterator[None]:
    """Take this process for a single one: TRL lets ranks tokenize in turns, by barriers.

    Here every rank has its own share of the rows, so none has to wait for another.
    """
    from accelerate import DistributedType, PartialState

    state = PartialState()
    kind, state.distributed_type = state.distributed_type, DistributedType.NO
    try:
        yield
    finally:
        state.distributed_type = kind


@contextmanager
def _uncached() -> Iterator[None]:
    """Skip the hashing of tokenizer and rows by which datasets would name a cache of its own."""
    import datasets

    was = datasets.is_caching_enabled()
    datasets.disable_caching()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if was:
            datasets.enable_caching()


def _refuse_missing_template(row: dict[str, Any], tokenizer: Any) -> None:
    if isinstance(row["chosen"], list) and not tokenizer.chat_template:
        raise DataError(
            "the pairs are conversations, but the model's tokenizer has no chat template; "
            "use an instruction-tuned model, or pairs of plain strings"
        )


def _guilty_row(
    rows: Sequence[dict[str, Any]], tokenizer: Any, error: Exception
) -> DataError | Exception:
    """Find the row that TRL's preparation failed on: it fails for the whole shard."""
    for row in rows:
        try:
            _tokenize([row], tokenizer)
        except Exception as found:
            text = str(found).strip().splitlines() or [type(found).__name__]
            return DataError(f"row {row['row']}: cannot be tokenized: {text[0][:300]}")
    return error
