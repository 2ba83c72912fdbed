"""What prepared results depend on, and where they therefore lie."""

from importlib.metadata import version
from pathlib import Path

from dpo_ray.config.sweep import SweepConfig
from dpo_ray.data.cache import content_key, folder_digest
from dpo_ray.data.pairs import Pairs
from dpo_ray.data.prepared import Prepared


def locate_prepared(cache: Path, sweep: SweepConfig, pairs: Pairs, model: Path) -> Prepared:
    """Derive the three entries' folders from content: what is not named here cannot matter.

    Beta, learning rate, rank, seed and loss are absent on purpose: the reference's scores do
    not depend on them, so one preparation serves a whole sweep and the next night's.
    """
    data, evaluation = sweep.data, sweep.evaluation
    model_digest = folder_digest(model)
    tokens = content_key(
        {
            "rows": pairs.digest,
            "format": pairs.format,
            "limit": data.limit,
            "split": [data.validation, data.test],
            "tokenizer": model_digest,
            "max_length": data.max_length,
            "trl": version("trl"),
            "transformers": version("transformers"),
        }
    )
    scores = content_key({"tokens": tokens, "model": model_digest, "dtype": sweep.model.dtype})
    decoding = evaluation.model_dump(include={"max_new_tokens", "temperature", "top_p", "seed"})
    completions = content_key(
        {
            "scores": scores,
            "prompts": evaluation.prompts,
            "decoding": decoding | {"batch_size": evaluation.batch_size},
            "judge": evaluation.judge.model_dump(),
        }
    )
    return Prepared(
        tokens=cache / f"tokens-{tokens}",
        scores=cache / f"scores-{scores}",
        completions=cache / f"completions-{completions}",
    )
