"""Joining a Ray cluster, or starting one on this machine for the sweep's length."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dpo_ray.errors import ClusterUnreachable
from dpo_ray.plan import Available

QUIET = {
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    # A failed trial is told in the journal; Ray would print its traceback again.
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    # A pool starts its actors at once by design; Ray would warn of it on the screen.
    "RAY_worker_maximum_startup_concurrency": "32",
}
TOKEN_FILE = Path("~/.ray/auth_token")


def quiet() -> None:
    """Set the environment that keeps Ray off the screen; what the user has set stands."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


@contextmanager
def ray_session(address: str | None) -> Iterator[None]:
    """Connect for the block's length: to `address`, else to $RAY_ADDRESS, else a local cluster.

    A local cluster demands Ray's token and shows its dashboard on 127.0.0.1 alone.

    Raises:
        ClusterUnreachable: nothing answers at the address.
    """
    quiet()
    import ray

    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            **({} if joins_a_cluster(address) else {"dashboard_host": "127.0.0.1"}),
        )
    except (ConnectionError, RuntimeError) as error:
        raise ClusterUnreachable(f"no Ray cluster answers at {address}: {error}") from error
    _close_token_file()
    try:
        yield
    finally:
        ray.shutdown()


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


def _close_token_file() -> None:
    # Ray writes its token readable for all.
    token = TOKEN_FILE.expanduser()
    if token.is_file():
        token.chmod(0o600)
