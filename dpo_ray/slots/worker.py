"""What Ray Train runs on every worker of a slot."""

import logging
import math
import os
from typing import Any

import ray

from dpo_ray.cluster.sight import blind_node
from dpo_ray.cluster.verbosity import is_verbose
from dpo_ray.ranks import Ranks
from dpo_ray.slots.members import this_process
from dpo_ray.training.jobs import Outcome, Texts, Verdict
from dpo_ray.training.mailbox import Handed, MailboxGone


class RemoteMailbox:
    """The slot's mailbox as a worker sees it; see `training.mailbox.Mailbox` for each call.

    Ray runs the calls of an asynchronous actor in any order, and a line that came after a later
    one, or after the job's end, would be lost. So each call first sees the one before it done:
    one that nobody waits for is done by then, as a rule.
    """

    def __init__(self, slot: Any) -> None:
        self._slot = slot
        self._told: Any = None

    def next_job(self, last: int) -> Handed:
        return self._ask("next_job", last)  # type: ignore[no-any-return]

    def started(
        self, job_id: int, total_steps: int, texts: Texts | None = None, step: int = 0
    ) -> None:
        self._tell("started", job_id, total_steps, texts, step)

    def log(
        self,
        job_id: int,
        step: int,
        metrics: dict[str, float],
        system: dict[str, float] | None = None,
    ) -> None:
        self._tell("log", job_id, step, metrics, system)

    def report(self, job_id: int, step: int, fraction: float, metrics: dict[str, float]) -> Verdict:
        return self._ask("report", job_id, step, fraction, metrics)  # type: ignore[no-any-return]

    def wrote(self, job_id: int, path: str, folder: str, table: bool = False) -> None:
        self._tell("wrote", job_id, path, folder, table)

    def poll(self, job_id: int) -> Verdict:
        return self._ask("poll", job_id)  # type: ignore[no-any-return]

    def finish(self, job_id: int, outcome: Outcome) -> None:
        self._ask("finish", job_id, outcome)

    def _tell(self, call: str, *said: Any) -> None:
        if self._told is not None:
            _answer(self._told)
        self._told = getattr(self._slot, call).remote(*said)

    def _ask(self, call: str, *said: Any) -> Any:
        self._tell(call, *said)
        answer, self._told = _answer(self._told), None
        return answer


def _answer(told: Any) -> Any:
    try:
        return ray.get(told)
    except ray.exceptions.RayTaskError:  # the slot is there, and has refused
        raise
    except ray.exceptions.RayError as error:
        raise MailboxGone(str(error)) from error


def work_for_slot(config: dict[str, Any]) -> None:
    """Serve the slot `config["slot"]` until it closes. Runs on every rank of the group."""
    import ray.train
    import ray.train.torch
    import torch
    import transformers

    from dpo_ray.training.desk import Desk
    from dpo_ray.training.loop import work

    if config["sight"] is not None and (blind := config["sight"].trouble()):
        # A node that came late: the others were asked before any work began.
        reason = blind_node(ray.util.get_node_ip_address(), blind)
        ray.get(config["slot"].break_down.remote(reason))
        return
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if not is_verbose():
        transformers.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        logging.getLogger("datasets").setLevel(logging.ERROR)
    # Ray rounds down, and 1.9 CPUs would be one thread.
    torch.set_num_threads(math.ceil(ray.get_runtime_context().get_assigned_resources()["CPU"]))
    context = ray.train.get_context()
    ranks = Ranks(context.get_world_rank(), context.get_world_size())
    ray.get(config["slot"].join.remote(ranks.rank, this_process()))
    device = ray.train.torch.get_device()
    if device.type == "cuda" and config["gpus"] < 1:
        torch.cuda.set_per_process_memory_fraction(config["gpus"], device)
    work(RemoteMailbox(config["slot"]), Desk(ranks, device))
