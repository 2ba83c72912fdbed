"""Ray's Jobs API, with a limit to every answer and errors for people."""

import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import tenacity

from dpo_ray.cluster.addresses import refuse_silence
from dpo_ray.cluster.session import quiet
from dpo_ray.cluster.token import no_entry, show_token
from dpo_ray.errors import ClusterUnreachable
from dpo_ray.nodes import Available, NodeRoom, available

ANSWER_S = 30.0
NODES_S, LOOK_S = 10.0, 0.5
"""A head that has just started answers for a while before its own node is among its nodes."""
ENDED = ("SUCCEEDED", "FAILED", "STOPPED")
TALKATIVE = (
    "ray.dashboard.modules.dashboard_sdk",
    "ray.dashboard.modules.job.sdk",
    "ray._private.runtime_env.packaging",
    "ray._private.runtime_env.working_dir",
)
SWEEP, COMMAND = "dpo-ray-sweep", "dpo-ray-command"
"""What a job says of itself: the sweep's folder, and the command that it is."""

BROKEN = (ConnectionError, RuntimeError, ValueError, KeyError, TypeError)
"""What Ray's client raises where the answer is none of a Jobs API."""

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Job:
    """A submitted job as the cluster sees it."""

    id: str
    status: str
    message: str = ""
    exit_code: int | None = None
    """The driver's own; None where it was stopped, or never began."""
    metadata: Mapping[str, str] | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in ENDED


class JobLost(ClusterUnreachable):
    """The cluster answers, and does not know the job any more."""


class JobsApi:
    """The Jobs API of one head. Every call ends within half a minute."""

    def __init__(self, address: str) -> None:
        """Connect.

        Raises:
            ClusterUnreachable: nobody answers, or the token is wrong.
        """
        self.address = address.rstrip("/")
        refuse_silence(address)
        quiet()
        show_token()
        # Ray would rather take $RAY_ADDRESS than the address it is given.
        os.environ["RAY_API_SERVER_ADDRESS"] = self.address
        from ray.job_submission import JobSubmissionClient

        for name in TALKATIVE:
            logging.getLogger(name).setLevel(logging.ERROR)

        class Patient(JobSubmissionClient):
            """Ray's own client waits for an answer without end."""

            def _do_request(self, method: str, endpoint: str, **options: Any) -> Any:
                return super()._do_request(method, endpoint, timeout=ANSWER_S, **options)

        self._client = self._ask(lambda: Patient(self.address))

    def submit(
        self,
        submission_id: str,
        entrypoint: str,
        folder: Path,
        environment: Mapping[str, str],
        metadata: Mapping[str, str],
    ) -> None:
        """Start a job in a copy of `folder`.

        Raises:
            ClusterUnreachable: the cluster does not take it.
        """
        self._ask(
            lambda: self._client.submit_job(
                submission_id=submission_id,
                entrypoint=entrypoint,
                runtime_env={"working_dir": str(folder), "env_vars": dict(environment)},
                metadata=dict(metadata),
            )
        )

    def job(self, submission_id: str) -> Job:
        """Return how the job stands.

        Raises:
            JobLost: the cluster does not know it.
            ClusterUnreachable: it does not answer.
        """
        return _job(self._ask(lambda: self._client.get_job_info(submission_id)))

    def jobs(self) -> Sequence[Job]:
        """Return all submitted jobs the cluster remembers."""
        found = self._ask(lambda: self._client.list_jobs())
        return [_job(each) for each in found if each.submission_id]

    def log(self, submission_id: str) -> AsyncIterator[str]:
        """Yield the job's log from its beginning, until the job has ended."""
        return self._client.tail_job_logs(submission_id)  # type: ignore[no-any-return]

    def available(self) -> Available:
        """Return what the cluster has, node by node; wait a while for the first node."""
        empty = tenacity.retry_if_result(lambda rooms: not rooms)
        waiting = tenacity.Retrying(
            retry=empty,
            stop=tenacity.stop_after_delay(NODES_S),
            wait=tenacity.wait_fixed(LOOK_S),
            retry_error_callback=lambda _: [],
        )
        return available(waiting(self._rooms), f"the Ray cluster at {self.address}")

    def _rooms(self) -> list[NodeRoom]:
        from ray.util.state import list_nodes

        nodes = self._ask(lambda: list_nodes(address=self.address, timeout=int(ANSWER_S)))
        return [NodeRoom(each.node_name, each.resources_total) for each in nodes if _lives(each)]

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        import ray
        import requests
        from ray.util.state.exception import RayStateApiException

        broken = (*BROKEN, requests.RequestException, RayStateApiException, ray.exceptions.RayError)
        try:
            return question()
        except ray.exceptions.AuthenticationError as error:
            raise no_entry(self.address, _first_line(error)) from error
        except broken as error:
            if "status code 404" in str(error):
                raise JobLost(f"the cluster at {self.address} does not know the job") from error
            kind = type(error).__name__
            told = f"no Jobs API does as asked at {self.address}: {kind}: {_first_line(error)}"
            raise ClusterUnreachable(told) from error


def _job(details: Any) -> Job:
    return Job(
        id=details.submission_id or "",
        status=str(details.status.value if hasattr(details.status, "value") else details.status),
        message=details.message or "",
        exit_code=details.driver_exit_code,
        metadata=details.metadata or {},
    )


def _lives(node: Any) -> bool:
    return bool(node.state == "ALIVE")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
