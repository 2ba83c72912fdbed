"""A sweep as a job on a cluster: the documented command, run on the head, followed from here."""

import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from dpo_ray.cluster.addresses import cluster_address, takes_jobs
from dpo_ray.cluster.ended import exit_code, how_it_ended, refuse_other_python
from dpo_ray.cluster.entrypoint import Typed, entrypoint
from dpo_ray.cluster.following import LogLines, Patience, follow
from dpo_ray.cluster.jobs import COMMAND, SWEEP, JobLost, JobsApi
from dpo_ray.cluster.packing import refuse_too_much
from dpo_ray.cluster.token import refuse_open
from dpo_ray.errors import ClusterUnreachable, ConfigError, DpoRayError, Interrupted, SweepLocked
from dpo_ray.output import AGAIN, PIPED, RESULT_MARK, Voice, give_json, say
from dpo_ray.plan import Plan, check_resources

STOPPING = {"RAY_JOB_STOP_SIGNAL": "SIGINT", "RAY_JOB_STOP_WAIT_TIME_S": "60"}
"""A job that is stopped ends as by Ctrl-C and can go on."""
MARK = "result| "
GO_ON = "To go on with it"


def is_submitted(plan: Plan, asked: bool) -> bool:
    """Whether a sweep becomes a job: its cluster takes jobs alone, or --submit says so.

    Raises:
        ConfigError: --submit, and the cluster takes none.
    """
    address = cluster_address(plan.sweep.cluster.address)
    if asked and not takes_jobs(address):
        raise ConfigError(
            f"{plan.sweep_path}: cluster.address: --submit needs the head's Jobs address, as in "
            f"http://head:8265, got {address or 'nothing'}"
        )
    return takes_jobs(address)


def submit_sweep(plan: Plan, typed: Typed, voice: Voice) -> int:
    """Run a sweep as a job, or follow the one that runs already; return the driver's exit code.

    Raises:
        DpoRayError: it was not submitted, or could not be followed to its end.
    """
    address = str(cluster_address(plan.sweep.cluster.address))
    command = entrypoint(plan, typed, Path.cwd(), voice.as_json)
    refuse_open(address, typed.open_allowed)
    try:
        api = JobsApi(address)
        check_resources(plan, api.available())
        job_id = _running(api, plan, command)
        told = f"{job_id} runs already: following it."
        if job_id is None:
            job_id, told = _submit(api, plan, command, voice)
    except KeyboardInterrupt:
        raise Interrupted(
            "interrupted before the job was followed; the same command follows it, if it runs"
        ) from None
    return _to_its_end(api, job_id, plan, voice, told)


def _running(api: JobsApi, plan: Plan, command: str) -> str | None:
    """Return the job that runs this very command, if one does.

    Raises:
        SweepLocked: one runs the same sweep otherwise.
    """
    for job in api.jobs():
        told = job.metadata or {}
        if job.has_ended or told.get(SWEEP) != str(plan.folder):
            continue
        if told.get(COMMAND) == command:
            return job.id
        raise SweepLocked(
            f"{job.id} runs the sweep {plan.name} already, asked for otherwise: "
            f"{told.get(COMMAND)}; wait for its end, or {_stop(api, job.id)}"
        )
    return None


def _submit(api: JobsApi, plan: Plan, command: str, voice: Voice) -> tuple[str, str]:
    """Submit the job, and return its id and what to say of it."""
    here = Path.cwd()
    size = refuse_too_much(here)
    job_id = f"{plan.name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    environment = STOPPING | {
        RESULT_MARK: MARK,
        AGAIN: voice.again,
        "COLUMNS": str(voice.messages.width if voice.messages.is_terminal else PIPED),
    }
    metadata = {SWEEP: str(plan.folder), COMMAND: command}
    api.submit(job_id, command, here, environment, metadata)
    sent = f"{size / 2**20:.1f} MB of {here}"
    told = f"Submitted to {api.address} as {job_id}, with {sent}. Ctrl-C leaves it running."
    return job_id, told


def _to_its_end(api: JobsApi, job_id: str, plan: Plan, voice: Voice, told: str) -> int:
    """Say `told` of the job and follow it: from now on Ctrl-C says what may be done with it."""
    lines = LogLines(
        MARK, lambda text: say(voice.results, text), lambda text: say(voice.messages, text)
    )
    try:
        with _interruptible():
            say(voice.messages, told)
            job = follow(api, job_id, lines, _patience(plan))
    except (KeyboardInterrupt, ClusterUnreachable) as error:
        left = error if isinstance(error, DpoRayError) else Interrupted(f"{job_id} is left running")
        if voice.as_json:
            facts = {"name": plan.name, "exit_code": left.exit_code, "reason": str(left)}
            give_json({**facts, "job": job_id, "address": api.address})
        lost = isinstance(error, JobLost)
        told = f"{GO_ON}: {voice.again}" if lost else _what_now(api, job_id, voice)
        say(voice.messages, told)
        raise left from None
    refuse_other_python(job, lines.last, plan)
    if told := how_it_ended(job):
        say(voice.messages, told)
    if job.status == "STOPPED" and not any(GO_ON in line for line in lines.last):
        say(voice.messages, f"{GO_ON}: {voice.again}")
    return exit_code(job)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Have SIGTERM leave the job running as Ctrl-C does, which a shell's `&` would have ignored."""

    def leave(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {each: signal.signal(each, leave) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _patience(plan: Plan) -> Patience:
    budget, cluster = plan.sweep.budget, plan.sweep.cluster
    silent = 60 * cluster.silent_minutes
    if budget.hours is None:
        return Patience(silent)
    own = 3600 * budget.hours + 60 * (budget.grace_minutes + cluster.margin_minutes)
    return Patience(silent, own + 60 * (cluster.wait_minutes or 0.0))


def _what_now(api: JobsApi, job_id: str, voice: Voice) -> str:
    return (
        f"To follow it again: {voice.again}\n"
        f"To stop it, saved:  {_stop(api, job_id)}\n"
        "After that the first command goes on with it."
    )


def _stop(api: JobsApi, job_id: str) -> str:
    own = Path(sys.executable).with_name("ray")
    ray = str(own) if shutil.which("ray") is None and own.is_file() else "ray"
    return f"RAY_AUTH_MODE=token {ray} job stop {job_id} --address {api.address}"
