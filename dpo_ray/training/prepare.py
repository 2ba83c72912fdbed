"""The jobs that fill the sweep's cache entries, before any trial."""

import time

from dpo_ray.errors import DataError, DpoRayError, JudgingFailed
from dpo_ray.evaluation.sampling import Decoding
from dpo_ray.reference.completions import join_completions, write_completion_shard
from dpo_ray.reference.model import autocast
from dpo_ray.reference.opponent import join_judged, write_judged_shard
from dpo_ray.reference.scores import join_scores, write_score_shard
from dpo_ray.reference.token_report import Dropping
from dpo_ray.reference.tokens import join_tokens, write_token_shard
from dpo_ray.training.attempt import describe, full_traceback
from dpo_ray.training.desk import Desk
from dpo_ray.training.jobs import Fatal, JoinJob, Outcome, Preparation, ShardJob


def run_preparation(job: ShardJob | JoinJob, desk: Desk) -> Outcome:
    """Do a job of the preparation and say how it ended. Collective."""
    began = time.time()
    try:
        forwards = do_shard(job, desk) if isinstance(job, ShardJob) else _join(job, desk)
    except DpoRayError as error:
        fatal: Fatal = "judges" if isinstance(error, JudgingFailed) else "data"
        trace = "" if error.__cause__ is None else full_traceback(error)
        return Outcome("FAILED", str(error), fatal=fatal, trace=trace)
    except Exception as error:
        if desk.ranks.world > 1:
            raise  # the other ranks may be in a collective: only a new group is safe
        return Outcome("FAILED", describe(error), trace=full_traceback(error))
    seconds = time.time() - began
    return Outcome("COMPLETED", "prepared", seconds=seconds, forwards=forwards)


def _join(job: JoinJob, desk: Desk) -> int:
    problem: DpoRayError | None = None
    if desk.ranks.first:
        try:
            join(job, desk)
        except (DataError, JudgingFailed) as error:
            problem = error
    # Agreed before it is raised: ranks that wait in a collective would wait for ever.
    if (agreed := desk.ranks.agree(problem)) is not None:
        raise agreed
    return 0


def do_shard(job: ShardJob, desk: Desk) -> int:
    """Do one shard on every rank of the desk's group. Collective.

    Returns the batches of pairs the reference was run forward on.

    Raises:
        DataError: a row cannot be tokenized.
        JudgingFailed: a judge broke.
    """
    shared, shard = job.preparation, job.shard
    match job.stage:
        case "tokens":
            write_token_shard(
                shared.rows,
                shared.prepared.tokens,
                shard,
                desk.tokenizer(shared.model),
                dropping(shared),
                desk.ranks,
            )
        case "scores":
            return write_score_shard(
                shared.prepared,
                shard,
                desk.model(shared.model),
                desk.tokenizer(shared.model),
                max_length=shared.data.max_length,
                dtype=shared.model.dtype,
                batch_size=shared.evaluation.batch_size,
                ranks=desk.ranks,
            )
        case "completions":
            with autocast(shared.model.dtype, desk.device):
                write_completion_shard(
                    shared.prepared,
                    shard,
                    desk.model(shared.model),
                    desk.tokenizer(shared.model),
                    count=shared.evaluation.prompts,
                    decoding=_decoding(shared),
                    ranks=desk.ranks,
                )
        case "judged":
            write_judged_shard(
                shared.prepared,
                shared.rows,
                shard,
                count=shared.evaluation.prompts,
                judges=desk.judges(shared.evaluation, shared.judging),
                ranks=desk.ranks,
            )
    return 0


def join(job: JoinJob, desk: Desk) -> None:
    """Make a stage's entry of its shards; on one rank only.

    Raises:
        DataError: a split is left without rows, or a finding whose action is stop.
        JudgingFailed: too much of the reference's own completions could not be judged.
    """
    shared, prepared = job.preparation, job.preparation.prepared
    match job.stage:
        case "tokens":
            join_tokens(prepared.tokens, job.shards, dropping(shared))
        case "scores":
            join_scores(prepared, job.shards)
        case "completions":
            join_completions(prepared, job.shards)
        case "judged":
            join_judged(
                prepared,
                shared.rows,
                job.shards,
                count=shared.evaluation.prompts,
                judges=desk.judges(shared.evaluation, shared.judging),
            )


def dropping(shared: Preparation) -> Dropping:
    """Return the rule by which tokenized rows stay."""
    data = shared.data
    return Dropping(data.max_length, data.warnings, data.test)


def _decoding(shared: Preparation) -> Decoding:
    settings = shared.evaluation
    return Decoding(
        max_new_tokens=settings.max_new_tokens,
        temperature=settings.temperature,
        top_p=settings.top_p,
        seed=settings.seed,
        batch_size=settings.batch_size,
    )
