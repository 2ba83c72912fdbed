"""The preparation without Ray: this process is the only worker."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch

from dpo_ray.ranks import Ranks
from dpo_ray.training.desk import Desk
from dpo_ray.training.jobs import JoinJob, Outcome, ShardJob
from dpo_ray.training.prepare import run_preparation

AnyJob = TypeVar("AnyJob", ShardJob, JoinJob)


class InProcess:
    """Does the preparation's jobs one after the other, in the order given."""

    def __init__(self, desk: Desk | None = None) -> None:
        self._desk = desk or Desk(Ranks(), torch.device("cpu"))

    def wait_warm(self, check: Callable[[], None]) -> None:
        """Return at once."""

    def run_all(
        self, jobs: Iterable[AnyJob], check: Callable[[], None]
    ) -> Iterator[tuple[AnyJob, Outcome]]:
        """Do the jobs, and yield each with its end."""
        for job in jobs:
            check()
            yield job, run_preparation(job, self._desk)
