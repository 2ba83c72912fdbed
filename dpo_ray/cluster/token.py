"""Ray's token: who has it may run code on the cluster, and a cluster without one runs anybody's."""

import os
import secrets
from pathlib import Path
from urllib.parse import urlsplit

from dpo_ray.cluster.addresses import ANSWER_S, is_loopback
from dpo_ray.errors import ClusterUnreachable

TOKEN_FILE = Path("~/.ray/auth_token")
WHERE_FROM = (
    "The token lies in ~/.ray/auth_token on the head, for whoever started it (with KubeRay in the "
    "cluster's Secret, under auth_token). Put it into ~/.ray/auth_token here, mode 600, or into "
    "$RAY_AUTH_TOKEN"
)


def token_file() -> Path:
    """Return where Ray looks for this user's token."""
    return Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or TOKEN_FILE).expanduser()


def show_token() -> None:
    """Have Ray show this user's token, if there is one; what the user has set stands.

    Ray reads the setting when it is imported, so the first call must come before that.
    """
    if os.environ.get("RAY_AUTH_TOKEN") or token_file().is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def make_token() -> None:
    """Make this user's token where there is none, readable by nobody else: Ray's own is by all."""
    file = token_file()
    if os.environ.get("RAY_AUTH_MODE", "token") != "token" or os.environ.get("RAY_AUTH_TOKEN"):
        return
    if file.is_file():
        file.chmod(0o600)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(secrets.token_hex(32))


def answers_without_token(url: str) -> bool:
    """Whether the Jobs API at `url` answers who shows no token, and so runs anybody's code.

    Raises:
        requests.RequestException: it does not answer at all.
    """
    import requests

    # A session of its own: no netrc, no cookie, no proxy's credentials.
    with requests.Session() as session:
        session.trust_env = False
        answer = session.get(f"{url.rstrip('/')}/api/version", timeout=ANSWER_S)
    return answer.status_code == 200


def refuse_open(url: str, allowed: bool, reached_at: str | None = None) -> None:
    """Refuse a cluster that others reach and whose Jobs API asks nobody for a token.

    `allowed`: --allow-insecure-cluster. `reached_at`: host:port where others reach the cluster,
    if that is not `url`. One that does not answer is for others to tell of.

    Raises:
        ClusterUnreachable: it is one.
    """
    import requests

    reached = urlsplit(url if reached_at is None else f"ray://{reached_at}").hostname
    if allowed or is_loopback(reached or ""):
        return
    try:
        is_open = answers_without_token(url)
    except requests.RequestException:
        return
    if is_open:
        raise ClusterUnreachable(_open(f"its Jobs API at {url} answers without a token"))


def refuse_connection_without_token(address: str, allowed: bool) -> None:
    """Refuse a cluster that others reach and that this process has joined without any token.

    Raises:
        ClusterUnreachable: it is one.
    """
    from ray._private.authentication.authentication_utils import is_token_auth_enabled

    host = urlsplit(f"ray://{address}").hostname or ""
    if not allowed and not is_token_auth_enabled() and not is_loopback(host):
        raise ClusterUnreachable(_open(f"it let this process in at {address} without a token"))


def no_entry(address: str, told: str) -> ClusterUnreachable:
    """Return what to say of a cluster that wants another token than it was shown."""
    text = f"the Ray cluster at {address} asks for its token: {told}. {WHERE_FROM}"
    return ClusterUnreachable(text)


def _open(found: str) -> str:
    return (
        f"the Ray cluster is open to everybody who reaches it: {found}, so anybody may run code "
        "there. Start its nodes with RAY_AUTH_MODE=token and one token, or accept it with "
        "--allow-insecure-cluster"
    )
