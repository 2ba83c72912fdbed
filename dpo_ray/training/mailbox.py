"""What a worker group is handed, and whom it tells what it does."""

from dataclasses import dataclass
from typing import Protocol

from dpo_ray.training.jobs import Job, Outcome, Texts, Verdict


@dataclass(frozen=True)
class Handed:
    """Rank 0's answer from the mailbox: a job, an order to go home, or neither yet."""

    job_id: int = 0
    job: Job | None = None
    closed: bool = False


class MailboxGone(Exception):
    """Nobody is there to be told: the slot has died, perhaps with its sweep. That is no end of a
    job, which leaves all as it is for another worker to go on from."""


class Mailbox(Protocol):
    """A worker group's only contact with the outside, used by rank 0 alone.

    Calls may block; `report` does until the rung is decided. An in-process mailbox runs a
    trial without Ray, the slot's mailbox under it. Each may raise MailboxGone.
    """

    def next_job(self, last: int) -> Handed:
        """Wait a while for a job with an id above `last`."""
        ...

    def started(
        self, job_id: int, total_steps: int, texts: Texts | None = None, step: int = 0
    ) -> None:
        """Say that training begins, how long it will be, and on which texts if it is an SFT.

        `step`: where it goes on from, if it was interrupted before.
        """
        ...

    def log(
        self,
        job_id: int,
        step: int,
        metrics: dict[str, float],
        system: dict[str, float] | None = None,
    ) -> None:
        """Pass on a logging step's metrics, and what the worker used meanwhile; may not wait."""
        ...

    def report(self, job_id: int, step: int, fraction: float, metrics: dict[str, float]) -> Verdict:
        """Pass on a rung's metrics and wait for the verdict."""
        ...

    def wrote(self, job_id: int, path: str, folder: str, table: bool = False) -> None:
        """Say that a file of the trial is complete, and where among its artifacts it belongs.

        `table`: a Parquet file that people will want to read as a table.
        """
        ...

    def poll(self, job_id: int) -> Verdict:
        """Ask between rungs whether the job was cancelled."""
        ...

    def finish(self, job_id: int, outcome: Outcome) -> None:
        """Say how the job ended."""
        ...
