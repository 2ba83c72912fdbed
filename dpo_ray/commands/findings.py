"""What `dpo-ray doctor` finds: values, decided from facts without looking at anything."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from packaging.requirements import Requirement

State = Literal["ok", "warn", "fail"]
LITTLE_GB, TOO_LITTLE_GB = 10.0, 1.0
"""Free space at which one is warned, and at which not even the toy's sweep should begin."""
LITTLE_MEMORY_GB = 4.0
GB = 1e9


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, what was found, and what to do about it where it is not ok.

    `unreachable`: it is about a server that does not answer.
    """

    state: State
    what: str
    found: str
    advice: str = ""
    unreachable: bool = False


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 0 where nothing failed, 7 where only servers did not answer, else 1."""
    failed = [each for each in findings if each.state == "fail"]
    if not failed:
        return 0
    return 7 if all(each.unreachable for each in failed) else 1


def library(requirement: "Requirement", installed: str | None) -> Finding:
    """Compare an installed version with the range that dpo-ray was built for."""
    from packaging.version import InvalidVersion, Version

    name, specifier = requirement.name, requirement.specifier
    wanted = ",".join(sorted(map(str, specifier), key=lambda each: each[0] != ">"))
    if installed is None:
        return Finding("fail", name, "not installed", f"pip install '{name}{wanted}'")
    try:
        fits = specifier.contains(Version(installed).public, prereleases=True)
    except InvalidVersion:
        fits = False
    if fits:
        return Finding("ok", name, f"{installed} ({wanted})")
    advice = f"dpo-ray is built for {name}{wanted}: pip install '{name}{wanted}'"
    return Finding("fail", name, installed, advice)


def gpus(by_driver: int, by_torch: int, names: str, cuda: str | None) -> Finding:
    """Compare the GPUs the driver shows with those torch can use; `cuda` is torch's own version."""
    if by_torch:
        return Finding("ok", "GPUs", f"{by_torch}: {names} (CUDA {cuda})")
    if not by_driver:
        return Finding("ok", "GPUs", "none: trials run on CPUs")
    if cuda is None:
        advice = "install torch for CUDA: https://pytorch.org/get-started/locally/"
        return Finding("fail", "GPUs", f"{by_driver} ({names}), and torch is a CPU build", advice)
    advice = "the driver is too old for this torch, or CUDA_VISIBLE_DEVICES hides them"
    return Finding("fail", "GPUs", f"{by_driver} ({names}), which torch {cuda} cannot use", advice)


def memory(available: float, total: float) -> Finding:
    """Judge the machine's memory, in bytes."""
    found = f"{available / GB:.1f} of {total / GB:.1f} GB free"
    if available >= LITTLE_MEMORY_GB * GB:
        return Finding("ok", "memory", found)
    advice = "a slot takes about 1 GB beside its model: fewer with --set search.concurrent=1"
    return Finding("warn", "memory", found, advice)


def disk(folder: str, free: float, writable: bool) -> Finding:
    """Judge the store's place; `free` is in bytes."""
    found = f"{folder}, {free / GB:.1f} GB free"
    if not writable:
        return Finding("fail", "store", f"{found}, not writable", "choose another with --store")
    if free < TOO_LITTLE_GB * GB:
        return Finding("fail", "store", found, "free some: `dpo-ray cache --older-than 14 --prune`")
    if free < LITTLE_GB * GB:
        return Finding("warn", "store", found, "`dpo-ray cache` shows what may go")
    return Finding("ok", "store", found)


def token(there: bool, mode: int | None, needed: bool) -> Finding:
    """Judge Ray's token: who has it may run code on the cluster."""
    if not there and needed:
        advice = "copy ~/.ray/auth_token of whoever started the head; mode 600"
        return Finding("warn", "Ray token", "none, and a running cluster may ask for it", advice)
    if not there:
        return Finding("ok", "Ray token", "none yet: the first sweep makes it")
    if mode is not None and mode & 0o077:
        advice = "chmod 600 ~/.ray/auth_token: whoever reads it may run code here"
        return Finding("warn", "Ray token", f"there, readable by others ({mode:o})", advice)
    return Finding("ok", "Ray token", "there, readable by its owner alone")


def jobs_api(address: str, is_open: bool, alone: bool) -> Finding:
    """Judge a Jobs API; `alone`: only this machine reaches it."""
    if not is_open:
        return Finding("ok", "Ray Jobs API", f"{address} asks for its token")
    advice = "start its nodes with RAY_AUTH_MODE=token and one token, or anybody runs code there"
    found = f"{address} answers without a token"
    return Finding("warn" if alone else "fail", "Ray Jobs API", found, advice)


def hub(host: str, offline: bool, problem: str, needed: bool) -> Finding:
    """Judge the way to the hub; `needed`: the sweep's model or data comes from there."""
    wanted: State = "fail" if needed else "ok"
    unless = "" if needed else "; nothing asks for it but hub models and data"
    if offline:
        advice = "unset HF_HUB_OFFLINE, unless all of it is in the cache already" if needed else ""
        return Finding("warn" if needed else "ok", "hub", f"offline mode is on{unless}", advice)
    if not problem:
        return Finding("ok", "hub", f"{host} answers")
    advice = "check proxy and firewall, or HF_ENDPOINT; HF_HUB_OFFLINE=1 uses the cache alone"
    found = f"{host} does not answer ({problem}){unless}"
    return Finding(wanted, "hub", found, advice if needed else "", unreachable=True)
