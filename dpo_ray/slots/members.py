"""The processes of a worker group, and how to end one that answers nobody."""

import os
import signal
from dataclasses import dataclass

import psutil
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

REACHED_S = 20.0
"""How long a node may take to end a worker; one that does not is gone itself."""


@dataclass(frozen=True)
class Member:
    """One rank's process. `born` tells it from a later one of the same number."""

    node: str
    pid: int
    born: float


def this_process() -> Member:
    """Return the member that calls; inside a Ray worker only."""
    pid = os.getpid()
    return Member(ray.get_runtime_context().get_node_id(), pid, psutil.Process(pid).create_time())


def end_here(member: Member) -> None:
    """Kill a process of this machine, stopped or not; one that is gone is no error."""
    try:
        if psutil.Process(member.pid).create_time() == member.born:
            os.kill(member.pid, signal.SIGKILL)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return


def end(member: Member) -> "ray.ObjectRef[None]":
    """Kill a process where it lives. Returns at once; the result is there when it is done."""
    there = NodeAffinitySchedulingStrategy(member.node, soft=False)
    task = ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=there)(end_here)
    return task.remote(member)
