"""What no sweep may leave: processes, anything on a cluster that stays, secrets in what is kept."""

import base64
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

from tests.faults.life import SECRETS, Sweep, name_of

GONE_S = 20.0
AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent", "dashboard/agent.py", "runtime_env/agent")
"""Ray's own agents try for a minute to tell a dead head that it died, and then leave."""
AGENTS_GONE_S = 75.0
ASK_S = 0.5
MEMORY_OF_OBJECTS = "object_store_memory"
"""Ray counts in it what objects take, reserved or not."""
RAYS_OWN = ("JobSupervisor", "_AutoscalingCoordinatorActor")
"""Of a submitted job, until its driver is gone; of a whole cluster, for good, once somebody has
trained there."""


def nobody_is_left(sweep: Sweep, agents: bool = True) -> None:
    """See every process of the sweep off, and on a cluster that stays all it had there.

    `agents=False` does not wait for Ray's own, which take a minute after a driver's death.
    """
    family = list(sweep.family.values())
    slow = [each for each in family if any(name in name_of(each) for name in AGENTS)]
    quick = [each for each in family if each not in slow]
    _, alive = psutil.wait_procs(quick, timeout=GONE_S)
    assert not [name_of(each) for each in alive if _lives(each)]
    if agents:
        _, alive = psutil.wait_procs(slow, timeout=AGENTS_GONE_S)
        assert not [name_of(each) for each in alive if _lives(each)]
    if sweep.cluster is not None:
        _nothing_is_on_the_cluster()


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _nothing_is_on_the_cluster() -> None:
    deadline = time.monotonic() + GONE_S
    while (found := _on_the_cluster()) and time.monotonic() < deadline:
        time.sleep(ASK_S)
    assert found == {}


def _on_the_cluster() -> dict[str, Any]:
    """Return what others than this process have on the Ray cluster that it is connected to.

    Actors of every driver and namespace: those of a sweep take no CPU, and most have no name.
    """
    import ray
    from ray.util import placement_group_table
    from ray.util.state import list_actors

    groups = [each for each in placement_group_table().values() if each["state"] != "REMOVED"]
    actors = list_actors(filters=[("state", "!=", "DEAD")], limit=10_000)
    here = ray.get_runtime_context().get_job_id()
    named = [each.class_name for each in actors if each.job_id != here]
    found = {"groups": groups, "actors": strangers(named), "taken": _taken()}
    return {kind: each for kind, each in found.items() if each}


def strangers(classes: Iterable[str]) -> list[str]:
    """Return the classes of actors that are not Ray's own."""
    return sorted(name for name in classes if name not in RAYS_OWN)


def _taken() -> dict[str, float]:
    """Return what is reserved of each resource, custom ones and memory included."""
    import ray

    free, total = ray.available_resources(), ray.cluster_resources()
    taken = {name: amount - free.get(name, 0.0) for name, amount in total.items()}
    return {
        name: amount
        for name, amount in taken.items()
        if amount > 1e-6 and name != MEMORY_OF_OBJECTS
    }


def no_secret_is_out(sweep: Sweep) -> None:
    """Look for every canary, plain or encoded, in all that the sweep has written anywhere."""
    secrets = {form for value in (*SECRETS.values(), *_own_secrets(sweep)) for form in forms(value)}
    for text in sweep.said:
        assert not [secret for secret in secrets if secret in text.encode()], "on the screen"
    for place in [sweep.store, *_logs(sweep)]:
        for path in _files(place):
            content = path.read_bytes()
            assert not [secret for secret in secrets if secret in content], path


def forms(secret: str) -> set[bytes]:
    """Return a secret as it may be written: plain, quoted, or within anything in base64."""
    raw = secret.encode()
    # In base64 only the letters that its neighbours have no part in tell where it stands.
    shifted = {
        base64.b64encode(b"\0" * before + raw)[first : (before + len(raw)) // 3 * 4]
        for before, first in ((0, 0), (1, 2), (2, 3))
    }
    return {raw, quote(secret, safe="").encode(), *shifted}


def _own_secrets(sweep: Sweep) -> list[str]:
    return [
        value
        for key, value in sweep.environment.items()
        if value.startswith("canary-") and key not in SECRETS
    ]


def _files(place: Path) -> Iterator[Path]:
    return (path for path in place.rglob("*") if path.is_file() and not path.is_symlink())


def _logs(sweep: Sweep) -> list[Path]:
    """Return the folders of Ray's logs; there must be some wherever the sweep has had a Ray."""
    import ray
    from ray._common.utils import get_default_ray_temp_dir

    state = sweep.state
    if sweep.cluster is not None:
        found = [Path(ray._private.worker._global_node.get_logs_dir_path())]
    elif sweep.sessions is not None:
        found = list(sweep.sessions.glob("session_2*/logs"))
    else:
        found = []
        planned = [each for each in sweep.records if each.kind in ("planned", "resumed")]
        for record, life in zip(planned, state.lives, strict=True):
            own = list(Path(get_default_ray_temp_dir()).glob(f"session_*_{record.pid}/logs"))
            assert own or life.slots is None, f"the logs of process {record.pid} were not found"
            found += own
    assert found or all(life.slots is None for life in state.lives)
    assert all(any(_files(folder)) for folder in found), "a Ray without logs"
    return found
