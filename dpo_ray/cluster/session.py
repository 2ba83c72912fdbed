"""Joining a Ray cluster, or starting one on this machine for the sweep's length."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dpo_ray.cluster.verbosity import ray_logging, worker_environment
from dpo_ray.errors import ClusterUnreachable
from dpo_ray.plan import Available

QUIET = {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    # A failed trial is told in the journal; Ray would print its traceback again.
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
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
ANSWER_S = 5.0
TOKEN_FILE = Path("~/.ray/auth_token")


def quiet() -> None:
    """Set the environment that keeps Ray off the screen; what the user has set stands."""
    for name, value in {**QUIET, **WORKERS}.items():
        os.environ.setdefault(name, value)


@contextmanager
def ray_session(address: str | None) -> Iterator[None]:
    """Connect for the block's length: to `address`, else to $RAY_ADDRESS, else a local cluster.

    A local cluster demands Ray's token and shows its dashboard on 127.0.0.1 alone.

    Raises:
        ClusterUnreachable: nothing answers at the address.
    """
    quiet()
    if address is not None:
        knock(address)
    import ray

    try:
        ray.init(**ray_logging(), **_connection(address))
    except (ConnectionError, RuntimeError) as error:
        raise ClusterUnreachable(f"no Ray cluster answers at {address}: {error}") from error
    _close_token_file()
    try:
        yield
    finally:
        ray.shutdown()


def knock(address: str) -> None:
    """Make sure that somebody listens, and that Ray will show its token there.

    Ray reads the setting when it is imported, so the first call must come before that.

    Raises:
        ClusterUnreachable: nobody listens.
    """
    refuse_silence(address)
    # A cluster of `ray start` asks for the token that this user's own clusters share.
    if TOKEN_FILE.expanduser().is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def refuse_silence(address: str, seconds: float = ANSWER_S) -> None:
    """Return if somebody listens at `address`: Ray itself would try for more than a minute.

    Raises:
        ClusterUnreachable: nobody does, or the address is none.
    """
    parts = urlsplit(address if "://" in address else f"ray://{address}")
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=seconds):
            return
    except (OSError, ValueError) as error:
        raise ClusterUnreachable(
            f"cluster.address: no Ray cluster answers at {address} ({error}); "
            "expected host:port of a running head, as `ray start --head` prints it"
        ) from error


def cluster_available(address: str | None) -> Available:
    """Return what the connected cluster has in all, busy or not."""
    import ray

    total = ray.cluster_resources()
    names = [key.removeprefix("accelerator_type:") for key in total if "accelerator_type:" in key]
    return Available(
        cpus=float(total.get("CPU", 0)),
        gpus=int(total.get("GPU", 0)),
        gpu_name=names[0] if names else None,
        where=f"the Ray cluster at {address}" if joins_a_cluster(address) else "this machine's Ray",
    )


def joins_a_cluster(address: str | None) -> bool:
    """Whether a running cluster is named, by the sweep or by $RAY_ADDRESS."""
    return bool(address or os.environ.get("RAY_ADDRESS"))


def _connection(address: str | None) -> dict[str, Any]:
    # A local cluster inherits this process's environment, and so can use the worker processes
    # it starts in advance; a running one has to be told.
    if joins_a_cluster(address):
        return {"address": address, "runtime_env": {"env_vars": WORKERS | worker_environment()}}
    # Said outright: Ray would join whatever cluster was last started on this machine.
    return {"address": "local", "dashboard_host": "127.0.0.1"}


def _close_token_file() -> None:
    # Ray writes its token readable for all.
    token = TOKEN_FILE.expanduser()
    if token.is_file():
        token.chmod(0o600)
