"""What the end of a submitted job means to whoever followed it."""

import re
import signal
from collections.abc import Iterable

from dpo_ray.cluster.jobs import Job
from dpo_ray.errors import ClusterUnreachable, ConfigError, Interrupted
from dpo_ray.plan import Plan

NOT_FOUND = 127
"""A shell's exit code where there is no such program."""


def exit_code(job: Job) -> int:
    """Return the driver's exit code: 130 of a job that was stopped, 7 of one that never began."""
    if job.status == "STOPPED":
        return Interrupted.exit_code
    if job.exit_code is None:
        return 0 if job.status == "SUCCEEDED" else ClusterUnreachable.exit_code
    return 128 - job.exit_code if job.exit_code < 0 else job.exit_code


def refuse_other_python(job: Job, last: Iterable[str], plan: Plan) -> None:
    """Refuse a Python on the head that has no dpo-ray: no driver has run."""
    unknown = any(re.search(r"No module named '?dpo_ray\b", line) for line in last)
    if job.exit_code == NOT_FOUND or (job.exit_code and unknown):
        raise ConfigError(
            f"{plan.sweep_path}: cluster.python: must be a Python on the cluster's head that has "
            f"dpo-ray, got {plan.sweep.cluster.python}; install it there, or say where it is, as "
            "in --set cluster.python=/opt/venv/bin/python"
        )


def how_it_ended(job: Job) -> str:
    """Say what the driver could not: that it was stopped, killed, or never began."""
    if job.status == "STOPPED":
        return f"{job.id} was stopped."
    if job.status == "FAILED" and job.exit_code is None:
        return f"Error: {job.id} never began: {job.message.strip() or 'Ray does not say why'}"
    if job.exit_code in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return f"Error: the driver of {job.id} was killed; memory of the head may have run out"
    return ""
