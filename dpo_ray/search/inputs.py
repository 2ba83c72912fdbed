"""What a sweep starts from, checked before anything is created or anything heavy imported."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from dpo_ray.config.sweep import SweepConfig
from dpo_ray.data.pairs import Pairs, read_pairs
from dpo_ray.data.split import Split
from dpo_ray.data.texts import write_texts
from dpo_ray.evaluation.judging import Judging
from dpo_ray.reference.keys import locate_prepared
from dpo_ray.reference.locating import locate_model
from dpo_ray.search.judges import FoundJudges, find_judges
from dpo_ray.training.jobs import ModelSpec, Preparation

ANSWERS = "judge-answers"
"""Folder of the store with what language models have answered: paid for, so no cache to prune."""


@dataclass(frozen=True)
class Inputs:
    """Checked rows, and the model that is fine-tuned or is the reference as it stands."""

    pairs: Pairs
    model: ModelSpec
    revision: str | None
    """Commit of a hub model."""
    cache: Path
    texts: Path | None = None
    """What the reference is fine-tuned on, if it is."""
    judges: FoundJudges = field(default_factory=FoundJudges)
    calls: Path | None = None
    """Where this sweep's calls to language models that judge are counted."""


def check_inputs(
    sweep: SweepConfig, store: Path, shared: bool = False, calls: Path | None = None
) -> Inputs:
    """Read and check data, texts, model and judges.

    `shared`: other nodes must see the models' files, too. `calls`: see `Inputs`.

    Raises:
        DataError: rows or texts that cannot be trained on.
        ConfigError: no such model, or no such judge.
    """
    cache = store / "cache"
    judges = find_judges(sweep.evaluation, cache, shared)
    located = locate_model(sweep.model, cache, shared)
    pairs = read_pairs(sweep.data, cache)
    held, sft = sweep.model, sweep.reference.sft
    texts = None if sft is None else write_texts(sft, pairs.folder, cache)
    spec = ModelSpec(
        located.folder, held.dtype, held.attention, held.quantization, held.trust_remote_code
    )
    return Inputs(pairs, spec, located.revision, cache, texts, judges, calls)


def preparation(
    inputs: Inputs,
    sweep: SweepConfig,
    reference: Path | None = None,
    split: Split = "validation",
) -> Preparation:
    """Return what is to be prepared for the reference: a fine-tuned model's folder, or the
    model itself. `split`: whose prompts are answered."""
    model = inputs.model if reference is None else replace(inputs.model, folder=reference)
    return Preparation(
        model=model,
        rows=inputs.pairs.folder,
        prepared=locate_prepared(
            inputs.cache, sweep, inputs.pairs.folder, model.folder, split, inputs.judges.identities
        ),
        data=sweep.data,
        evaluation=sweep.evaluation,
        judging=Judging(inputs.judges.models, inputs.calls, inputs.cache.parent / ANSWERS),
    )
