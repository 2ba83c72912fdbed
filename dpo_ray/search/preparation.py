"""The stage before the search: data and reference, computed once or found."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dpo_ray.config.sweep import SweepConfig
from dpo_ray.data.prepared import reference_metrics_of, token_counts
from dpo_ray.data.split import split_rows
from dpo_ray.search.ending import fatal_error
from dpo_ray.search.inputs import Inputs
from dpo_ray.slots.pool import SlotPool
from dpo_ray.tracking import records
from dpo_ray.training.jobs import PrepareJob, TrialJob


def prepare_once(
    inputs: Inputs, sweep: SweepConfig, pool: SlotPool, check: Callable[[], None] = lambda: None
) -> records.Prepared:
    """Fill the missing cache entries by one job on the pool, none if all are there.

    `check` is called while the job runs; what it raises ends the waiting.

    Raises:
        DataError: a split is left without rows.
        ClusterUnreachable: the workers died.
    """
    began = time.time()
    reused = inputs.prepared.complete
    if not reused:
        outcome = pool.run(_job(inputs, sweep), check)
        if outcome.state == "FAILED":
            raise fatal_error(outcome)
    counts = token_counts(inputs.prepared)
    kept = counts["train"] + counts["validation"] + counts["test"]
    return records.Prepared(
        rows={**inputs.pairs.counts, "kept": kept, **counts},
        hashes={
            "data": inputs.pairs.digest,
            "tokens": inputs.prepared.tokens.name,
            "scores": inputs.prepared.scores.name,
            "completions": inputs.prepared.completions.name,
        },
        reused=reused,
        seconds=time.time() - began,
        reference=reference_metrics_of(inputs.prepared),
    )


def trial_template(inputs: Inputs, sweep: SweepConfig, folder: Path) -> TrialJob:
    """Return what all trials of the sweep have in common."""
    return TrialJob(
        model=inputs.model,
        prepared=inputs.prepared,
        training=sweep.training,
        evaluation=sweep.evaluation,
        max_length=sweep.data.max_length,
        folder=folder / "trials",
    )


def _job(inputs: Inputs, sweep: SweepConfig) -> PrepareJob:
    splits: dict[Any, list[dict[str, Any]]] = {
        **split_rows(inputs.pairs.rows, sweep.data.validation, sweep.data.test)
    }
    return PrepareJob(
        model=inputs.model,
        prepared=inputs.prepared,
        splits=splits,
        max_length=sweep.data.max_length,
        evaluation=sweep.evaluation,
    )
