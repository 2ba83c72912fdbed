"""What this machine has, measured without Ray or torch: a plan must not wait for either."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from dpo_ray.plan import Available

CGROUP = Path("/sys/fs/cgroup")
SECONDS = 3.0
QUERY = ("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")


def measure_local() -> Available:
    """Count the CPUs this process may use and the GPUs that CUDA would show it."""
    names, trouble = _gpu_names(os.environ)
    where = f"this machine ({trouble})" if trouble else "this machine"
    return Available(usable_cpus(CGROUP), len(names), names[0] if names else None, where)


def usable_cpus(cgroup: Path) -> float:
    """Return the smallest of: CPUs of the process's affinity, and the container's quota.

    A container that may use 2 of 64 cores has 2: counting the machine's would overbook it.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    return min([float(count), *_quotas(cgroup)])


def _quotas(cgroup: Path) -> Iterator[float]:
    """Yield the CPU limits of cgroup v2 (`max` is none) and v1 (-1 is none)."""
    v2 = _words(cgroup / "cpu.max")
    v1 = _words(cgroup / "cpu/cpu.cfs_quota_us") + _words(cgroup / "cpu/cpu.cfs_period_us")
    for words in (v2, v1):
        if len(words) == 2 and words[0].isdecimal() and words[1].isdecimal():
            yield int(words[0]) / int(words[1])


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


def _gpu_names(environment: Mapping[str, str]) -> tuple[list[str], str]:
    """Return the GPUs' names, and what went wrong where the driver is there but fails."""
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1", "NoDevFiles"):
        return [], ""
    try:
        done = subprocess.run(QUERY, capture_output=True, text=True, timeout=SECONDS, check=True)
    except FileNotFoundError:
        return [], ""
    except subprocess.TimeoutExpired:
        return [], f"nvidia-smi did not answer within {SECONDS:g} s, so no GPU is counted"
    except (OSError, subprocess.CalledProcessError):
        return [], "nvidia-smi failed, so no GPU is counted"
    names = [line.strip() for line in done.stdout.splitlines() if line.strip()]
    return names[: len(visible.split(","))] if visible is not None else names, ""
