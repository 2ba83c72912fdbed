"""Which cluster a sweep means, and how it gets there: by joining it, or by submitting a job."""

import ipaddress
import os
import socket
from urllib.parse import urlsplit

from dpo_ray.errors import ClusterUnreachable

ANSWER_S = 5.0


def cluster_address(own: str | None) -> str | None:
    """Return the cluster that is meant: `own`, else $RAY_ADDRESS, or None for this machine."""
    return own or os.environ.get("RAY_ADDRESS") or None


def takes_jobs(address: str | None) -> bool:
    """Whether sweeps are submitted there: nobody can join a cluster over HTTP."""
    return (address or "").startswith(("http://", "https://"))


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches `host`; a name counts by all it resolves to."""
    try:
        found = {str(each[4][0]) for each in socket.getaddrinfo(host, None)}
        return all(ipaddress.ip_address(each.partition("%")[0]).is_loopback for each in found)
    except (OSError, ValueError):
        return False


def refuse_silence(address: str, seconds: float = ANSWER_S) -> None:
    """Return if somebody listens at `address`: Ray itself would try for more than a minute.

    Raises:
        ClusterUnreachable: nobody does, or the address is none.
    """
    parts = urlsplit(address if "://" in address else f"ray://{address}")
    default = {"http": 80, "https": 443}.get(parts.scheme, 0)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or default), seconds):
            return
    except (OSError, ValueError) as error:
        expected = (
            "the head's Jobs address, as in http://head:8265"
            if takes_jobs(address)
            else "host:port of a running head, as `ray start --head` prints it"
        )
        raise ClusterUnreachable(
            f"cluster.address: no Ray cluster answers at {address} ({error}); expected {expected}"
        ) from error
