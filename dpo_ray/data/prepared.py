"""The prepared sweep on disk: what every trial reads and none computes."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpo_ray.data.split import SPLITS, Split

TOKEN_COLUMNS = ("prompt_ids", "chosen_ids", "rejected_ids")
SCORE_COLUMNS = ("ref_chosen_logps", "ref_rejected_logps")


@dataclass(frozen=True)
class Prepared:
    """The three cache entries of a sweep, each under the hash of what it depends on.

    Attributes:
        tokens: a dataset per split: token ids, the row's number and the prompt's text.
        scores: a dataset per split: the reference's log-probabilities, float32 nats.
        completions: the reference's completions of the validation prompts, and its metrics.
    """

    tokens: Path
    scores: Path
    completions: Path

    @property
    def complete(self) -> bool:
        """Whether nothing is left to compute."""
        return all(entry.is_dir() for entry in (self.tokens, self.scores, self.completions))


def load_tokens(prepared: Prepared, split: Split) -> Any:
    """Open a split's tokenized rows, memory-mapped."""
    import datasets

    return datasets.load_from_disk(str(prepared.tokens / split))


def load_scored(prepared: Prepared, split: Split) -> Any:
    """Open a split's tokenized rows beside the reference's scores, memory-mapped."""
    import datasets

    scores = datasets.load_from_disk(str(prepared.scores / split))
    return datasets.concatenate_datasets([load_tokens(prepared, split), scores], axis=1)


def token_counts(prepared: Prepared) -> dict[str, int]:
    """Return rows per split, and rows dropped or cut at max_length."""
    return dict(json.loads((prepared.tokens / "counts.json").read_text()))


def reference_metrics_of(prepared: Prepared) -> dict[str, float]:
    """Read the reference's own row of `eval/*` metrics. Needs no torch, so the driver may."""
    return dict(json.loads((prepared.completions / "metrics.json").read_text()))


def write_splits(folder: Path, splits: dict[Split, Any]) -> None:
    """Save one dataset per split below `folder`."""
    for name in SPLITS:
        splits[name].save_to_disk(str(folder / name))
