"""What a sweep starts from, checked before anything is created or anything heavy imported."""

from dataclasses import dataclass
from pathlib import Path

from dpo_ray.config.sweep import SweepConfig
from dpo_ray.data.pairs import Pairs, read_pairs
from dpo_ray.data.prepared import Prepared
from dpo_ray.reference.keys import locate_prepared
from dpo_ray.reference.model import EMBEDDED, model_folder
from dpo_ray.training.jobs import ModelSpec


@dataclass(frozen=True)
class Inputs:
    """Checked rows, the model, and where prepared results lie."""

    pairs: Pairs
    model: ModelSpec
    prepared: Prepared


def check_inputs(sweep: SweepConfig, store: Path) -> Inputs:
    """Read and check data and model folder, and say where prepared results lie.

    Raises:
        DataError: rows that cannot be trained on.
        ConfigError: no such model folder.
    """
    folder = model_folder(sweep.model.name)
    pairs = read_pairs(_source(sweep.data.source), sweep.data.limit)
    prepared = locate_prepared(store / "cache", sweep, pairs, folder)
    return Inputs(pairs, ModelSpec(folder, sweep.model.dtype), prepared)


def _source(name: str) -> Path:
    if name == EMBEDDED:
        return model_folder(EMBEDDED).parent / "pairs.jsonl"
    return Path(name).expanduser().resolve()
