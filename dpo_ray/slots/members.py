"""The processes of a worker group, and how to end one that answers nobody."""

import asyncio
import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import psutil
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

REACHED_S = 60.0
"""How long another node may take to end a worker; one that does not is gone itself."""


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


async def end_all(members: Iterable[Member]) -> None:
    """Kill processes where they live, those of this node at once."""
    here = ray.get_runtime_context().get_node_id()
    elsewhere = []
    for member in members:
        if member.node == here:
            end_here(member)
        else:
            elsewhere.append(end_there(member))
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(*elsewhere, return_exceptions=True), REACHED_S)


def end_there(member: Member) -> "ray.ObjectRef[None]":
    """Begin to kill a process of any node, by a task there."""
    there = NodeAffinitySchedulingStrategy(member.node, soft=False)
    task = ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=there)(end_here)
    return task.remote(member)
