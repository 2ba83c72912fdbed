"""When memory runs out: half as many pairs at a time, and as many to an optimizer step."""

from dataclasses import replace

import torch

from dpo_ray.data.trial_files import HALVED
from dpo_ray.training.jobs import TrialJob

CPU_ALLOCATOR = "can't allocate memory"


def ran_out(error: BaseException) -> bool:
    """Whether an allocator of torch had no more to give."""
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and CPU_ALLOCATOR in str(error)
    )


def micro_batch(job: TrialJob, world: int) -> int:
    """Return how many pairs go through one worker's policy at a time."""
    return job.training.batch_size // (world * job.training.gradient_accumulation)


def halved(job: TrialJob, world: int) -> TrialJob | None:
    """Return the job with half as many pairs at a time, or None if they are odd.

    Gradients of twice as many forward passes share a step, so a step has as many pairs as before.
    """
    if micro_batch(job, world) % 2:
        return None
    twice = {"gradient_accumulation": 2 * job.training.gradient_accumulation}
    return replace(job, training=job.training.model_copy(update=twice))


def is_marked(job: TrialJob) -> bool:
    """Whether an earlier attempt ran out of memory."""
    return (job.folder / HALVED).exists()


def mark(job: TrialJob) -> None:
    """Have every later attempt run with half as many pairs at a time, in whatever process."""
    job.folder.mkdir(parents=True, exist_ok=True)
    (job.folder / HALVED).touch()


def out_of_memory(job: TrialJob, now: TrialJob, world: int) -> str:
    """Return in words what was too much: the job as it was given, or halved too."""
    pairs = micro_batch(job, world)
    said = f"out of memory: with {pairs} pairs at a time"
    if now != job:
        return f"{said}, and with {micro_batch(now, world)}"
    return f"{said}, which is odd and has no half" if pairs % 2 else said
