"""What the figures were measured on."""

import os
import platform
from importlib.metadata import version

from dpo_ray.cluster.resources import measure_local

LIBRARIES = ("dpo-ray", "ray", "torch", "transformers", "trl", "peft", "datasets", "optuna")


def describe_machine() -> dict[str, str]:
    """Return CPUs, GPUs, Python and library versions, as text."""
    found = measure_local()
    return {
        "CPUs": f"{found.cpus:g}",
        "GPU": found.gpu_name or "none",
        "python": platform.python_version(),
        **{library: version(library) for library in LIBRARIES},
    }


def load_average() -> str:
    """Return the load of the last 1, 5 and 15 minutes."""
    return ", ".join(f"{load:.2f}" for load in os.getloadavg())
