"""What one slot may use, and where the sweep runs."""

from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

from dpo_ray.config.rules import STRICT, broken_rule


class ResourcesConfig(BaseModel):
    """What one slot, so one running trial, may use."""

    model_config = STRICT

    workers: Annotated[int, Field(ge=1)] = 1
    """Ray Train workers that share each batch."""
    cpus_per_worker: Annotated[float, Field(gt=0)] = 0.9
    """CPUs of a worker; 0.9 lets two slots and their proxies fit on 2 CPUs."""
    gpus_per_worker: Annotated[float, Field(ge=0)] | None = None
    """GPUs of a worker; not set: a whole one where there are enough, else none."""

    @model_validator(mode="after")
    def _gpus_can_be_shared_so(self) -> Self:
        gpus = self.gpus_per_worker or 0.0
        if gpus > 1 and gpus % 1:
            raise broken_rule(f"above 1 it must be a whole number, got {gpus}", "gpus_per_worker")
        if 0 < gpus < 1 and self.workers > 1:
            raise broken_rule(
                f"a part of a GPU works with workers=1 only, got {gpus} and workers={self.workers}",
                "gpus_per_worker",
                "workers",
            )
        return self


class ClusterConfig(BaseModel):
    """Where the sweep runs."""

    model_config = STRICT

    address: Annotated[str, Field(min_length=1)] | None = None
    """A Ray cluster; not set: this machine."""
    node_cache: Annotated[str, Field(min_length=1)] | None = None
    """Folder on a node's own disk that prepared data is copied to once; not set: below the node's
    temporary folder on a joined cluster, and no copy on this machine alone."""
