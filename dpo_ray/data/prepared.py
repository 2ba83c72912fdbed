"""The prepared sweep on disk: what every trial reads and none computes."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from dpo_ray.data.report import TokenReport
from dpo_ray.data.shards import Shard
from dpo_ray.data.split import Split

TOKEN_COLUMNS = ("prompt_ids", "chosen_ids", "rejected_ids")
SCORE_COLUMNS = ("ref_chosen_logps", "ref_rejected_logps")
REPORT = "report.json"


@dataclass(frozen=True)
class Prepared:
    """The cache entries of a sweep, each under the hash of what it depends on.

    Attributes:
        tokens: a dataset per split: token ids, the row's number and the prompt's text.
        scores: a dataset per split: the reference's log-probabilities, float32 nats.
        completions: two samples of the reference's completions of the prompts.
        judged: the first sample as every trial's opponent, and the reference's own metrics.
        split: whose prompts and pairs trials are evaluated on.
    """

    tokens: Path
    scores: Path
    completions: Path
    judged: Path
    split: Split = "validation"

    @property
    def entries(self) -> dict[str, Path]:
        """The entries by name, in the order in which they are made."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.type is Path}

    @property
    def complete(self) -> bool:
        """Whether nothing is left to compute."""
        return all(entry.is_dir() for entry in self.entries.values())


def parts_of(entry: Path) -> Path:
    """Return where the shards of an entry wait to be put together."""
    return entry.with_name(f"{entry.name}.parts")


def missing_shards(entry: Path, shards: Iterable[Shard]) -> list[Shard]:
    """Return the shards that no worker has finished yet."""
    return [shard for shard in shards if not (parts_of(entry) / shard.name).is_dir()]


def load_tokens(prepared: Prepared, split: str) -> Any:
    """Open a split's tokenized rows, memory-mapped."""
    return load_dataset(prepared.tokens / split)


def load_scored(prepared: Prepared, split: str) -> Any:
    """Open a split's tokenized rows beside the reference's scores, memory-mapped."""
    import datasets

    scores = load_dataset(prepared.scores / split)
    return datasets.concatenate_datasets([load_tokens(prepared, split), scores], axis=1)


def load_dataset(folder: Path) -> Any:
    """Open a saved dataset, memory-mapped."""
    import datasets

    return datasets.load_from_disk(str(folder))


def token_report(prepared: Prepared) -> TokenReport:
    """Return rows per split, token lengths, and what was dropped or cut at max_length."""
    return TokenReport.model_validate_json((prepared.tokens / REPORT).read_text())


def reference_metrics_of(prepared: Prepared) -> dict[str, float]:
    """Read the reference's own row of `eval/*` metrics. Needs no torch, so the driver may."""
    return dict(json.loads((prepared.judged / "metrics.json").read_text()))


def evaluation_prompts(prepared: Prepared, count: int) -> tuple[list[list[int]], list[str]]:
    """Return token ids and texts of the first `count` distinct prompts of its split."""
    found = distinct_prompts(prepared, count)
    return [row["prompt_ids"] for row in found], [row["prompt_text"] for row in found]


def distinct_prompts(prepared: Prepared, count: int) -> list[dict[str, Any]]:
    """Return the first row of each of the first `count` distinct prompts of its split.

    Columns: row (its number in the source), prompt_ids, prompt_text.
    """
    columns = ["row", "prompt_ids", "prompt_text"]
    distinct: dict[tuple[int, ...], dict[str, Any]] = {}
    for row in load_tokens(prepared, prepared.split).select_columns(columns):
        distinct.setdefault(tuple(row["prompt_ids"]), row)
        if len(distinct) == count:
            break
    return list(distinct.values())


def join_shards(entry: Path, shards: Sequence[Shard], folder: Path, splits: Sequence[Split]) -> Any:
    """Save each split below `folder` from its shards in row order, a block at a time."""
    import datasets

    for split in splits:
        parts = [parts_of(entry) / shard.name for shard in shards if shard.part == split]
        filled = [part for part in parts if (part / "dataset_info.json").is_file()]
        if filled:
            joined = datasets.concatenate_datasets([load_dataset(part) for part in filled])
            joined.save_to_disk(str(folder / split))
