"""The job that fills the sweep's cache entries, before any trial."""

from typing import Any

from dpo_ray.errors import DataError
from dpo_ray.evaluation.judges import JUDGES
from dpo_ray.evaluation.sampling import Decoding
from dpo_ray.reference.completions import write_completions
from dpo_ray.reference.model import autocast
from dpo_ray.reference.scores import write_scores
from dpo_ray.reference.tokens import write_tokens
from dpo_ray.training.desk import Desk
from dpo_ray.training.jobs import PrepareJob


def prepare(job: PrepareJob, desk: Desk) -> None:
    """Tokenize, score and sample the reference, each only where its entry is missing.

    Rank 0 tokenizes; scoring and sampling are shared among the ranks. Collective.

    Raises:
        DataError: a split is left without rows.
    """
    model, tokenizer = desk.model(job.model), desk.tokenizer(job.model)
    settings, ranks = job.evaluation, desk.ranks
    if ranks.first and not job.prepared.tokens.is_dir():
        problem = _tokenize(job, tokenizer)
    else:
        problem = None
    # Agreed before it is raised: ranks that wait in a collective would wait for ever.
    if (agreed := ranks.agree(problem)) is not None:
        raise agreed
    if not ranks.agree(job.prepared.scores.is_dir()):
        write_scores(
            job.prepared,
            model,
            tokenizer,
            max_length=job.max_length,
            dtype=job.model.dtype,
            batch_size=settings.batch_size,
            ranks=ranks,
        )
    if not ranks.agree(job.prepared.completions.is_dir()):
        with autocast(job.model.dtype, desk.device):
            write_completions(
                job.prepared,
                model,
                tokenizer,
                count=settings.prompts,
                decoding=_decoding(job),
                judge=JUDGES[settings.judge.type],
                tie=settings.judge.tie,
                ranks=ranks,
            )


def _tokenize(job: PrepareJob, tokenizer: Any) -> DataError | None:
    try:
        write_tokens(job.prepared.tokens, job.splits, tokenizer, job.max_length)
    except DataError as error:
        return error
    return None


def _decoding(job: PrepareJob) -> Decoding:
    settings = job.evaluation
    return Decoding(
        max_new_tokens=settings.max_new_tokens,
        temperature=settings.temperature,
        top_p=settings.top_p,
        seed=settings.seed,
        batch_size=settings.batch_size,
    )
