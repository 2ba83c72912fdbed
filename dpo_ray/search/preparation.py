"""The stage before the search: data and reference, computed once or found."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from dpo_ray.config.sweep import SweepConfig
from dpo_ray.data.cache import folder_digest
from dpo_ray.data.prepared import (
    evaluation_prompts,
    missing_shards,
    reference_metrics_of,
    token_report,
)
from dpo_ray.data.report import DataReport, RowReport
from dpo_ray.data.rows import row_counts
from dpo_ray.data.shards import Shard, plan_shards
from dpo_ray.data.waiting import making
from dpo_ray.errors import PreparationFailed
from dpo_ray.search.ending import fatal_error
from dpo_ray.search.how_far import HowFar
from dpo_ray.tracking import records
from dpo_ray.training.jobs import JoinJob, Outcome, Preparation, ShardJob, Stage, TrialJob

STAGES: tuple[tuple[Stage, ...], ...] = (("tokens",), ("scores", "completions"), ("judged",))
"""What may be made at the same time, in the order in which one needs the other."""
BEGINNINGS: dict[Stage, str] = {
    "tokens": "tokenizing the pairs",
    "scores": "scoring the pairs with the reference",
    "completions": "having the reference answer the {split} prompts, twice",
    "judged": "judging the reference's answers against its own second ones",
}
AnyJob = TypeVar("AnyJob", ShardJob, JoinJob)


class Workers(Protocol):
    """Whoever does jobs, in any order, and yields each one's end: a pool, or this process."""

    def wait_warm(self, check: Callable[[], None]) -> None:
        """Return when somebody could begin."""
        ...

    def run_all(
        self, jobs: Iterable[AnyJob], check: Callable[[], None]
    ) -> Iterator[tuple[AnyJob, Outcome]]:
        """Do the jobs."""
        ...


@dataclass
class Screen:
    """Where the preparation says what it does: `stage` a new beginning, `progress` how far it is,
    in words and as a share."""

    stage: Callable[[str], None] = lambda _: None
    progress: Callable[[str, float], None] = lambda text, share: None
    check: Callable[[], None] = lambda: None
    """Called while it waits; what it raises ends the preparation."""
    hurried: Callable[[], bool] = lambda: False
    """Whether nobody is to be waited for any more."""


@dataclass
class Done:
    """What the preparation cost: nothing, where everything was found."""

    made: list[Stage] = field(default_factory=list)
    forwards: int = 0
    """Batches of pairs that the reference was run on."""

    def together_with(self, later: "Done") -> "Done":
        """Add up two parts of a preparation."""
        return Done([*self.made, *later.made], self.forwards + later.forwards)


def prepare(
    shared: Preparation,
    workers: Workers,
    screen: Screen,
    stages: Sequence[Sequence[Stage]] = STAGES,
) -> Done:
    """Make the entries that are missing, by jobs on the workers; go on where a dead one stopped.

    Raises:
        DataError: a row cannot be tokenized, or a split is left without rows.
        PreparationFailed: a job broke.
        ClusterUnreachable: the workers died.
    """
    done = Done()
    for group in stages:
        entries = {stage: shared.prepared.entries[stage] for stage in group}
        if not all(entry.is_dir() for entry in entries.values()):
            with making(list(entries.values()), screen.check, screen.stage):
                for stage, outcome in _make(shared, workers, screen, group):
                    done.made += [stage] * (stage not in done.made)
                    done.forwards += outcome.forwards
        for entry in entries.values():
            os.utime(entry)  # when it was last of use: `dpo-ray cache` prunes by it
    return done


def data_report(rows: RowReport, shared: Preparation) -> DataReport:
    """Return all that is known of the pairs, once they are tokenized."""
    return DataReport(rows=rows, tokens=token_report(shared.prepared))


def prepared_record(
    report: DataReport,
    shared: Preparation,
    revision: str | None,
    done: Done,
    seconds: float,
    unseen: Preparation | None = None,
) -> records.Prepared:
    """Return the journal's line about what is ready; `revision` is a hub model's commit, and
    `unseen` what a confirmation is judged on."""
    entries = shared.prepared.entries
    return records.Prepared(
        rows={
            "read": report.rows.read,
            **{found.reason: found.count for found in report.findings},
            "kept": report.kept,
            **report.tokens.rows,
        },
        hashes={
            "data": report.rows.digest,
            "rows": shared.rows.name,
            "weights": folder_digest(shared.model.folder),
            **{stage: entry.name for stage, entry in entries.items()},
            **_unseen_entries(unseen),
            **_model_entry(shared),
            **({} if revision is None else {"model_revision": revision}),
        },
        reused=not done.made,
        seconds=seconds,
        forwards=done.forwards,
        reference=reference_metrics_of(shared.prepared),
    )


def _unseen_entries(unseen: Preparation | None) -> dict[str, str]:
    if unseen is None:
        return {}
    own = ("completions", "judged")
    return {f"test_{stage}": unseen.prepared.entries[stage].name for stage in own}


def _model_entry(shared: Preparation) -> dict[str, str]:
    """Name the cache entry the model lies in, if it does: a live sweep keeps it from pruning."""
    cache, folder = shared.rows.parent, shared.model.folder
    if not folder.is_relative_to(cache):
        return {}
    return {"model": folder.relative_to(cache).parts[0]}


def trial_template(
    sweep: SweepConfig, shared: Preparation, folder: Path, node_cache: Path | None = None
) -> TrialJob:
    """Return what all trials of a stage have in common; `shared` says what they are judged on."""
    limits = sweep.budget
    return TrialJob(
        model=shared.model,
        prepared=shared.prepared,
        training=sweep.training,
        evaluation=shared.evaluation,
        max_length=sweep.data.max_length,
        folder=folder / "trials",
        judging=shared.judging,
        node_cache=node_cache,
        trial_s=None if limits.trial_minutes is None else 60 * limits.trial_minutes,
        silent_s=60 * limits.silent_minutes,
        retries=limits.retries,
    )


def _make(
    shared: Preparation, workers: Workers, screen: Screen, group: Sequence[Stage]
) -> Iterator[tuple[Stage, Outcome]]:
    # Looked up under the lock: whoever held it before may have made them.
    missing = [stage for stage in group if not shared.prepared.entries[stage].is_dir()]
    shards = {stage: _shards(shared, stage) for stage in missing}
    if missing:
        workers.wait_warm(screen.check)
        begins = " and ".join(BEGINNINGS[stage] for stage in missing)
        screen.stage((begins[0].upper() + begins[1:]).format(split=shared.prepared.split))
    todo = [
        ShardJob(shared, stage, shard)
        for stage in missing
        for shard in missing_shards(shared.prepared.entries[stage], shards[stage])
    ]
    how_far = HowFar(todo)
    for job, outcome in workers.run_all(todo, screen.check):
        _refuse_failure(outcome)
        screen.progress(how_far.step(job), how_far.share)
        yield job.stage, outcome
    joins = [JoinJob(shared, stage, tuple(shards[stage])) for stage in missing]
    for join, outcome in workers.run_all(joins, screen.check):
        _refuse_failure(outcome)
        yield join.stage, outcome


def _refuse_failure(outcome: Outcome) -> None:
    if outcome.state == "COMPLETED":
        return
    if outcome.fatal is not None:
        raise fatal_error(outcome)
    broken = PreparationFailed(
        f"nothing can be trained on: the preparation failed: {outcome.reason}"
    )
    broken.trace = outcome.trace
    raise broken


def _shards(shared: Preparation, stage: Stage) -> list[Shard]:
    batch = shared.evaluation.batch_size
    match stage:
        case "tokens":
            return plan_shards(row_counts(shared.rows), batch)
        case "scores":
            return plan_shards(token_report(shared.prepared).rows, batch)
        case "completions":
            prompts, _ = evaluation_prompts(shared.prepared, shared.evaluation.prompts)
            return plan_shards({"baseline": len(prompts), "again": len(prompts)}, batch)
        case "judged":
            prompts, _ = evaluation_prompts(shared.prepared, shared.evaluation.prompts)
            return plan_shards({"again": len(prompts)}, batch)
