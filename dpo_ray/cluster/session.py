"""Joining a Ray cluster, or starting one on this machine for the sweep's length."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from dpo_ray.cluster.addresses import cluster_address, is_loopback, refuse_silence
from dpo_ray.cluster.token import (
    WHERE_FROM,
    make_token,
    no_entry,
    refuse_connection_without_token,
    refuse_open,
    show_token,
)
from dpo_ray.cluster.verbosity import is_verbose, ray_logging, say_less, worker_environment
from dpo_ray.errors import ClusterUnreachable
from dpo_ray.nodes import Available, NodeRoom, available

QUIET = {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    # A failed trial is told in the journal; Ray would print its traceback again.
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Counters for Prometheus are open to everybody, and name the slots after their sweep.
    "RAY_enable_metrics_collection": "0",
    # A pool starts its actors at once by design; Ray would warn of it on the screen.
    "RAY_worker_maximum_startup_concurrency": "32",
}
WORKERS = {
    # Train wraps print() by shipping bytecode to every worker: 90 KB of log each.
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
    # Each of these costs a slot a process, or its start a detour, and none is read here.
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "TOKENIZERS_PARALLELISM": "false",
}
"""The environment of every process of a sweep on the cluster."""


def quiet() -> None:
    """Set the environment that keeps Ray off the screen; what the user has set stands."""
    for name, value in {**QUIET, **WORKERS}.items():
        os.environ.setdefault(name, value)


@contextmanager
def ray_session(own: str | None, open_allowed: bool = False) -> Iterator[None]:
    """Connect for the block's length: to `own`, else to $RAY_ADDRESS, else a local cluster.

    A local cluster demands Ray's token and shows its dashboard on 127.0.0.1 alone.
    `open_allowed`: one that others reach and that asks nobody for a token is joined all the same.

    Raises:
        ClusterUnreachable: nothing answers at the address, it wants another token, or none.
    """
    quiet()
    address = cluster_address(own)
    if address is None:
        make_token()
    else:
        knock(address)
    import ray

    try:
        ray.init(**ray_logging(), **_connection(address))
        # A worker's death is told in the journal, in our words; Ray's would fill the screen.
        ray._private.worker._worker_logs_enabled = is_verbose()
    except ray.exceptions.AuthenticationError as error:
        raise no_entry(str(address), _first_line(error)) from error
    except SystemError:  # Ctrl-C within Ray's compiled code
        raise
    except Exception as error:  # what a node that is too slow to start raises is no other
        raise _not_joined(address, error) from error
    say_less()
    try:
        if address is not None:
            _refuse_open_cluster(open_allowed)
        yield
    finally:
        ray.shutdown()


def knock(address: str) -> None:
    """Make sure that somebody listens, and that Ray will show its token there.

    Ray reads the setting when it is imported, so the first call must come before that.

    Raises:
        ClusterUnreachable: nobody listens.
    """
    if ":" in address:  # `auto` names whatever runs here
        refuse_silence(address)
    # A cluster of `ray start` asks for the token that this user's own clusters share.
    show_token()


def _refuse_open_cluster(allowed: bool) -> None:
    """Refuse a joined cluster that others reach and that lets everybody in."""
    import ray

    here = ray.get_runtime_context()
    refuse_connection_without_token(here.gcs_address, allowed)
    page = ray._private.worker.global_worker.node.address_info.get("webui_url") or ""
    own = ray.nodes() if page else []
    on_head = any(
        each["NodeID"] == here.get_node_id() and "node:__internal_head__" in each["Resources"]
        for each in own
    )
    # The head's own 127.0.0.1 is another machine's here.
    if page and (on_head or not is_loopback(urlsplit(f"http://{page}").hostname or "")):
        refuse_open(f"http://{page}", allowed, reached_at=here.gcs_address)


def cluster_available(own: str | None) -> Available:
    """Return what the connected cluster has in all, busy or not, node by node."""
    import ray

    address = cluster_address(own)
    where = "this machine's Ray" if address is None else f"the Ray cluster at {address}"
    alive = [each for each in ray.nodes() if each["Alive"]]
    nodes = [NodeRoom(each["NodeManagerHostname"], each["Resources"]) for each in alive]
    return available(nodes, where)


def joins_a_cluster(own: str | None) -> bool:
    """Whether a running cluster is named, by the sweep or by $RAY_ADDRESS."""
    return cluster_address(own) is not None


def _connection(address: str | None) -> dict[str, Any]:
    # A local cluster inherits this process's environment, and so can use the worker processes
    # it starts in advance; a running one has to be told.
    if address is not None:
        return {"address": address, "runtime_env": {"env_vars": WORKERS | worker_environment()}}
    # Said outright: Ray would join whatever cluster was last started on this machine.
    return {"address": "local", "dashboard_host": "127.0.0.1"}


def _not_joined(address: str | None, error: Exception) -> ClusterUnreachable:
    told = f"no Ray cluster answers at {address}: {_first_line(error)}"
    if address is None:
        return ClusterUnreachable(f"Ray does not start on this machine: {_first_line(error)}")
    return ClusterUnreachable(
        f"{told}; somebody listens there, so it may be the token. {WHERE_FROM}"
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
