"""Whether Ray, Optuna, transformers, datasets and MLflow may speak between a sweep's own lines."""

import logging
import os
from typing import Any

VERBOSE = "DPO_RAY_VERBOSE"
"""In the environment, so that every process of a sweep knows."""
NOISE = (
    "worker processes have been started on node",
    "Raylet is terminated",
    "has been marked dead",
)
"""What is in Ray's messages about processes and nodes that the sweep itself tells better."""
_LOUD = {"MLFLOW_LOGGING_LEVEL": "INFO", "RAY_IGNORE_UNHANDLED_ERRORS": "0"}


def speak_up() -> None:
    """Let them, in this process and in those it starts; what the user has set stands."""
    os.environ[VERBOSE] = "1"
    for name, value in _LOUD.items():
        os.environ.setdefault(name, value)


def is_verbose() -> bool:
    """Whether they may."""
    return os.environ.get(VERBOSE) == "1"


def ray_logging() -> dict[str, object]:
    """Return how `ray.init` is told: nothing but errors, unless they may speak."""
    level = logging.INFO if is_verbose() else logging.ERROR
    return {"log_to_driver": is_verbose(), "logging_level": level}


def worker_environment() -> dict[str, str]:
    """Return what a running cluster's workers must be told; children of this process know."""
    return {VERBOSE: "1"} if is_verbose() else {}


def say_less() -> None:
    """Keep off the screen what Ray tells every driver of its nodes, unless they may speak.

    No setting of Ray 2.60 does (listen_error_messages in ray/_private/worker.py).
    """
    import ray

    worker = ray._private.worker
    tell = worker.print_to_stdstream
    if is_verbose() or getattr(tell, "tells_less", False):
        return

    def less(data: dict[str, Any], *more: Any, **named: Any) -> None:
        if not any(noise in line for line in data.get("lines", ()) for noise in NOISE):
            tell(data, *more, **named)

    less.tells_less = True  # type: ignore[attr-defined]
    worker.print_to_stdstream = less
