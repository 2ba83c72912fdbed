"""What stays of an evaluated checkpoint: its tables, its adapter, and a card that explains it."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

from dpo_ray.data.adapter_card import AdapterCard
from dpo_ray.data.trial_files import COMPLETIONS, EXAMPLES, checkpoint_folder
from dpo_ray.evaluation.evaluate import Evaluation
from dpo_ray.training.jobs import TrialJob

Wrote = Callable[[str, str, bool], None]
"""Told a file's path, its folder among the artifacts, and whether it is to be shown as a table."""


def keep_evaluation(job: TrialJob, step: int, evaluation: Evaluation, wrote: Wrote) -> None:
    """Write both tables of a checkpoint and say so, once in all its lives; on one rank only."""
    folder = checkpoint_folder(job.folder, step)
    folder.mkdir(parents=True, exist_ok=True)
    tables = {EXAMPLES: evaluation.examples, COMPLETIONS: evaluation.completions}
    for name, table in tables.items():
        _write(table, folder / name)
        if step > job.seen_rung:
            wrote(str(folder / name), f"checkpoints/{folder.name}", False)


def show_completions(job: TrialJob, step: int, wrote: Wrote) -> None:
    """Have the completions of the last evaluation shown: what a person reads of a trial."""
    path = checkpoint_folder(job.folder, step) / COMPLETIONS
    if path.is_file():
        wrote(str(path), "", True)


def card_of(job: TrialJob, step: int) -> AdapterCard:
    """Return the card of the job's policy after `step`."""
    training, model = job.training, job.model
    return AdapterCard(
        beta=training.beta,
        loss_type=training.loss_type,
        example_weight=training.example_weight,
        model=str(model.folder),
        dtype=model.dtype,
        attention=model.attention,
        quantization=model.quantization,
        trust_remote_code=model.trust_remote_code,
        max_length=job.max_length,
        trial=job.trial,
        params=dict(job.params),
        step=step,
        seed=training.seed,
    )


def _write(table: pa.Table, path: Path) -> None:
    part = path.with_name(f".{path.name}.part")
    parquet.write_table(table, part)
    part.replace(path)
