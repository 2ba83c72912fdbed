"""What prepared results depend on, and where they therefore lie."""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dpo_ray.config.sweep import SweepConfig
from dpo_ray.data.cache import content_key, folder_digest
from dpo_ray.data.prepared import Prepared
from dpo_ray.data.split import Split

WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "generation_config.json")
"""Files of a model's folder that have no say in how text becomes tokens."""


def locate_prepared(
    cache: Path,
    sweep: SweepConfig,
    rows: Path,
    model: Path,
    split: Split = "validation",
    judges: Mapping[str, Any] | None = None,
) -> Prepared:
    """Derive the entries' folders from content: what is not named here cannot matter.

    `rows` is the entry of checked rows, `model` the reference's folder. Beta, learning rate,
    rank, seed and loss are absent on purpose: the reference's scores do not depend on them, so
    one preparation serves a whole sweep and the next night's. `split`: whose prompts are answered;
    `judges`: the identity of each, see `evaluation.judge_identity`.
    """
    tokens = locate_tokens(cache, sweep, rows, model)
    evaluation, held = sweep.evaluation, sweep.model
    scores = content_key(
        {
            "tokens": tokens.name,
            "model": folder_digest(model),
            "held": held.model_dump(include={"dtype", "attention", "quantization"}),
        }
    )
    decoding = evaluation.model_dump(include={"max_new_tokens", "temperature", "top_p", "seed"})
    completions = content_key(
        {
            "scores": scores,
            "prompts": [split, evaluation.prompts],
            "decoding": decoding | {"batch_size": evaluation.batch_size},
        }
    )
    judged = content_key({"completions": completions, "judges": dict(judges or {})})
    return Prepared(
        tokens=tokens,
        scores=cache / f"scores-{scores}",
        completions=cache / f"completions-{completions}",
        judged=cache / f"judged-{judged}",
        split=split,
    )


def locate_tokens(cache: Path, sweep: SweepConfig, rows: Path, model: Path) -> Path:
    """Derive the entry of tokens: models that share a tokenizer share it."""
    warnings = sweep.data.warnings
    key = content_key(
        {
            "rows": rows.name,
            "tokenizer": folder_digest(model, skip=WEIGHTS),
            "max_length": sweep.data.max_length,
            "cut": warnings.cut_completion,
            "long": warnings.long_prompt,
            "trl": version("trl"),
            "transformers": version("transformers"),
        }
    )
    return cache / f"tokens-{key}"
