"""Trials of the platform in this process: no Ray, no journal, no one to stop them."""

from pathlib import Path

from dpo_ray.plan import Plan
from dpo_ray.search.inputs import check_inputs, preparation
from dpo_ray.search.preparation import Screen, prepare, trial_template
from dpo_ray.training.desk import Desk
from dpo_ray.training.in_process import InProcess
from dpo_ray.training.jobs import Outcome, Texts, TrialJob, Verdict
from dpo_ray.training.mailbox import Handed


class GoesOn:
    """A mailbox that lets every trial run to its end."""

    def next_job(self, last: int) -> Handed:
        """There is no other job."""
        return Handed(closed=True)

    def started(
        self, job_id: int, total_steps: int, texts: Texts | None = None, step: int = 0
    ) -> None:
        """Nobody waits for this."""

    def log(
        self,
        job_id: int,
        step: int,
        metrics: dict[str, float],
        system: dict[str, float] | None = None,
    ) -> None:
        """Nobody waits for this."""

    def report(self, job_id: int, step: int, fraction: float, metrics: dict[str, float]) -> Verdict:
        """Go on."""
        return "continue"

    def wrote(self, job_id: int, path: str, folder: str, table: bool = False) -> None:
        """Nobody waits for this."""

    def poll(self, job_id: int) -> Verdict:
        """Go on."""
        return "continue"

    def finish(self, job_id: int, outcome: Outcome) -> None:
        """Nobody waits for this."""


def control_job(plan: Plan, desk: Desk, folder: Path) -> TrialJob:
    """Prepare the plan on this desk and return the job of its control trial, in `folder`."""
    shared = preparation(check_inputs(plan.sweep, plan.store), plan.sweep)
    prepare(shared, InProcess(desk), Screen())
    return trial_template(plan.sweep, shared, folder).configured(0, plan.control, "control")
