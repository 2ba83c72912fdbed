"""Whether Ray, Optuna, transformers, datasets and MLflow may speak between a sweep's own lines."""

import logging
import os

VERBOSE = "DPO_RAY_VERBOSE"
"""In the environment, so that every process of a sweep knows."""
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
