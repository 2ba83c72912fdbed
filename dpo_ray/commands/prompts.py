"""Prompts of a sweep's data, for whoever wants to ask its models again."""

from pathlib import Path

from dpo_ray.data.adapter_card import AdapterCard
from dpo_ray.data.trial_files import COMPLETIONS
from dpo_ray.errors import ConfigError
from dpo_ray.tracking.state import SweepState

SPLITS = ("test", "validation", "train")


def sweep_prompts(
    state: SweepState, folder: Path, card: AdapterCard, count: int
) -> list[list[int]]:
    """Return token ids of the first `count` distinct prompts, of the test split if there is one.

    From the prepared tokens; where the cache was pruned, from the texts beside a checkpoint.

    Raises:
        ConfigError: neither is there.
    """
    entry = state.prepared.hashes.get("tokens") if state.prepared else None
    if entry is not None and (found := _prepared(folder.parents[1] / "cache" / entry, count)):
        return found
    for file in sorted(folder.glob(f"trials/*/step-*/{COMPLETIONS}")):
        from pyarrow import parquet

        from dpo_ray.training.exporting import prompts_of

        texts = parquet.read_table(file, columns=["prompt"])["prompt"].to_pylist()[:count]
        return prompts_of(Path(card.model), texts, card.trust_remote_code)
    raise ConfigError(
        f"{folder}: neither its prepared prompts nor its trials' completions are there any more, "
        "so nothing can be compared"
    )


def _prepared(tokens: Path, count: int) -> list[list[int]]:
    from dpo_ray.data.prepared import load_dataset

    for split in SPLITS:
        if (tokens / split).is_dir():
            rows = load_dataset(tokens / split).select_columns(["prompt_ids"])
            found = dict.fromkeys(tuple(row["prompt_ids"]) for row in rows.take(50 * count))
            return [list(ids) for ids in found][:count]
    return []
