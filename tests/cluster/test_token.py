"""Ray's token: made so that nobody else reads it, and demanded of clusters that others reach."""

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from dpo_ray.cluster.addresses import is_loopback
from dpo_ray.cluster.token import make_token, refuse_open
from dpo_ray.errors import ClusterUnreachable
from tests.cluster.stub import JobsStub

ROOT = Path(__file__).parents[2]


def own_address() -> str:
    """The address under which others reach this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but its loopback")
        return str(probe.getsockname()[0])


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
def test_loopback_is_reached_by_nobody_else(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid", "", "::"])
def test_all_else_is_not_loopback(host):
    assert not is_loopback(host)


def test_a_cluster_that_others_reach_and_that_asks_for_no_token_is_refused():
    with JobsStub(host="0.0.0.0") as stub:
        address = f"http://{own_address()}:{stub.port}"
        with pytest.raises(ClusterUnreachable) as refused:
            refuse_open(address, allowed=False)
        assert refused.value.exit_code == 7
        assert str(refused.value) == (
            "the Ray cluster is open to everybody who reaches it: its Jobs API at "
            f"{address} answers without a token, so anybody may run code there. Start its nodes "
            "with RAY_AUTH_MODE=token and one token, or accept it with --allow-insecure-cluster"
        )
        refuse_open(address, allowed=True)


def test_one_that_asks_for_a_token_or_that_only_this_machine_reaches_passes():
    with JobsStub(host="0.0.0.0", token="secret") as stub:
        refuse_open(f"http://{own_address()}:{stub.port}", allowed=False)
    with JobsStub() as stub:
        refuse_open(stub.address, allowed=False)


def test_the_command_refuses_an_open_cluster_before_anything_is_sent(tmp_path):
    with JobsStub(host="0.0.0.0") as stub:
        address = f"cluster.address=http://{own_address()}:{stub.port}"
        done = subprocess.run(
            [sys.executable, "-m", "dpo_ray.sweep", "search_spaces/beta.yaml", "--set", address],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 7
        assert "open to everybody" in done.stderr
        assert stub.submitted == []


@pytest.fixture
def token(tmp_path, monkeypatch):
    """A user's folder without a token, and where it will lie."""
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path / ".ray/auth_token"


def test_a_new_token_is_readable_by_its_owner_alone(token):
    before = os.umask(0)
    try:
        make_token()
    finally:
        os.umask(before)
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert len(token.read_text()) == 64


def test_a_token_that_others_read_is_closed_and_kept(token):
    token.parent.mkdir()
    token.write_text("known")
    token.chmod(0o644)
    make_token()
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert token.read_text() == "known"


@pytest.mark.parametrize(
    ("name", "value"), [("RAY_AUTH_MODE", "disabled"), ("RAY_AUTH_TOKEN", "mine")]
)
def test_who_has_settled_it_otherwise_gets_no_token(token, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    make_token()
    assert not token.exists()
