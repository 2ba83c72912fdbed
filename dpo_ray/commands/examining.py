"""Looking at machine, cluster and servers for `dpo-ray doctor`; nothing is changed."""

import os
import platform
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from urllib.parse import urlsplit

from packaging.requirements import Requirement

from dpo_ray.cluster.addresses import (
    cluster_address,
    is_loopback,
    refuse_silence,
    takes_jobs,
)
from dpo_ray.cluster.resources import measure_local
from dpo_ray.cluster.token import answers_without_token, token_file
from dpo_ray.commands import findings
from dpo_ray.commands.findings import Finding
from dpo_ray.config.model import HUB_ID
from dpo_ray.config.redaction import redact_text
from dpo_ray.config.sweep import SweepConfig
from dpo_ray.errors import ClusterUnreachable, ConfigError, TrackingUnreachable
from dpo_ray.tracking.mlflow_server import database_file, default_uri, reachable

LIBRARIES = ("ray", "torch", "transformers", "trl", "peft", "datasets", "optuna", "mlflow")
HUB_S = 4.0
CLUSTER_S = 3.0


def versions() -> Iterator[Finding]:
    """Python, dpo-ray, and each library against the range of dpo-ray's own metadata."""
    python, oldest = platform.python_version(), (3, 11)
    fits = tuple(map(int, platform.python_version_tuple()[:2])) >= oldest
    yield Finding("ok" if fits else "fail", "python", python, "" if fits else "needs 3.11 or later")
    yield Finding("ok", "dpo-ray", version("dpo-ray"))
    wanted = {each.name: each for each in map(Requirement, requires("dpo-ray") or [])}
    for name in LIBRARIES:
        yield findings.library(wanted.get(name, Requirement(name)), _installed(name))


def machine() -> Iterator[Finding]:
    """CPUs, memory and GPUs. Imports torch."""
    import psutil
    import torch

    here = measure_local()
    yield Finding("ok", "CPUs", f"{here.cpus:g} for this process, {os.cpu_count()} in all")
    found = psutil.virtual_memory()
    yield findings.memory(found.available, found.total)
    usable = torch.cuda.device_count() if torch.cuda.is_available() else 0
    names = [torch.cuda.get_device_name(number) for number in range(usable)]
    shown = ", ".join(dict.fromkeys(names)) or here.gpu_name or here.where
    yield findings.gpus(here.gpus, usable, shown, torch.version.cuda)


def ray_cluster(sweep: SweepConfig | None) -> Iterator[Finding]:
    """The address that a sweep would join, and the token it would show there."""
    own = sweep.cluster.address if sweep else None
    address = cluster_address(own)
    if address is None:
        yield Finding("ok", "Ray", "no address given: a sweep starts its own on this machine")
    else:
        origin = "cluster.address" if own else "RAY_ADDRESS"
        yield _answers(address, origin)
        if takes_jobs(address):
            yield from asks_for_a_token(address)
    file = token_file()
    mode = file.stat().st_mode & 0o777 if file.is_file() else None
    yield findings.token(file.is_file(), mode, needed=address is not None)


def store_disk(store: Path) -> Finding:
    """Free space where the store is, or would be made."""
    place = next(each for each in (store, *store.parents) if each.is_dir())
    free = shutil.disk_usage(place).free
    return findings.disk(str(store), free, os.access(place, os.W_OK))


def hub_access(sweep: SweepConfig | None) -> Finding:
    """Ask the hub once, for a few seconds at most."""
    from huggingface_hub import constants

    needed = sweep is not None and _from_hub(sweep)
    host, offline = str(constants.ENDPOINT), bool(constants.is_offline_mode())
    problem = "" if offline else _problem(host)
    return findings.hub(redact_text(host), offline, problem, needed)


def tracking(sweep: SweepConfig | None, store: Path) -> Finding:
    """The server that a sweep would write to, or the database in its store."""
    uri = (sweep.tracking.uri if sweep else None) or default_uri(store)
    if (file := database_file(uri)) is not None:
        made = "" if file.is_file() else ", made by the first sweep"
        return Finding("ok", "tracking", f"{file}{made}")
    try:
        reachable(uri)
    except (TrackingUnreachable, ConfigError) as error:
        silent = isinstance(error, TrackingUnreachable)
        return Finding("fail", "tracking", redact_text(uri), str(error), unreachable=silent)
    return Finding("ok", "tracking", f"{redact_text(uri)} answers")


def _answers(address: str, origin: str) -> Finding:
    try:
        refuse_silence(address, CLUSTER_S)
    except ClusterUnreachable as error:
        advice = f"{error}; or leave {origin} out, and a sweep starts its own Ray"
        return Finding("fail", "Ray", f"{address} ({origin})", advice, unreachable=True)
    return Finding("ok", "Ray", f"{address} ({origin}) answers")


def asks_for_a_token(address: str) -> Iterator[Finding]:
    """Whether the Jobs API runs the code of people who show no token."""
    import requests

    try:
        is_open = answers_without_token(address)
    except requests.RequestException:
        return  # that nobody answers is told already
    yield findings.jobs_api(address, is_open, is_loopback(urlsplit(address).hostname or ""))


def _from_hub(sweep: SweepConfig) -> bool:
    """Whether model or data have a hub's name and are no folder here."""
    names = (sweep.model.name, sweep.data.source)
    return any(
        name.startswith("hf://") or (HUB_ID.fullmatch(name) and not Path(name).exists())
        for name in names
    )


def _problem(host: str) -> str:
    import requests

    try:
        requests.head(host, timeout=HUB_S, allow_redirects=True)
    except requests.RequestException as error:
        return type(error).__name__
    return ""


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
