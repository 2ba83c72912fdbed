"""What one slot may use, and where the sweep runs."""

from typing import Annotated, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from dpo_ray.config.redaction import redact_text
from dpo_ray.config.rules import STRICT, broken_rule

OWN_KEYS = {
    "CPU": "resources.cpus_per_worker",
    "GPU": "resources.gpus_per_worker",
}


class ResourcesConfig(BaseModel):
    """What one slot, so one running trial, may use."""

    model_config = STRICT

    workers: Annotated[int, Field(ge=1)] = 1
    """Ray Train workers that share each batch."""
    cpus_per_worker: Annotated[float, Field(gt=0)] = 0.9
    """CPUs of a worker; 0.9 lets two slots and their proxies fit on 2 CPUs."""
    gpus_per_worker: Annotated[float, Field(ge=0)] | None = None
    """GPUs of a worker; not set: a whole one where there are enough, else none."""
    custom: dict[Annotated[str, Field(min_length=1)], Annotated[float, Field(gt=0)]] = {}
    """What else of a node a worker takes, by Ray's custom resources: only nodes that were started
    with them run it."""

    @field_validator("custom")
    @classmethod
    def _custom_resources_are_no_others(cls, custom: dict[str, float]) -> dict[str, float]:
        for name, own in OWN_KEYS.items():
            if name in custom:
                raise broken_rule(f"{name} is said by {own}; leave it out here", name)
        return custom

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
    """A Ray cluster: host:port joins it from one of its nodes, http://head:8265 submits the sweep
    as a job; not set: $RAY_ADDRESS, else this machine."""
    python: Annotated[str, Field(min_length=1)] = "python"
    """The Python of a submitted job, as the head's shell finds it; it needs dpo-ray."""
    wait_minutes: Annotated[float, Field(gt=0)] | None = None
    """So long an autoscaler may take to bring nodes for a first slot, or for one whose node has
    left; not set: what is asked for must be there, and nodes that leave may take 10 minutes."""
    silent_minutes: Annotated[float, Field(gt=0)] = 5.0
    """So long the Jobs API may leave the submitting command without an answer."""
    margin_minutes: Annotated[float, Field(gt=0)] = 30.0
    """So long beyond budget.hours and its grace the submitting command waits for the job's end."""
    node_cache: Annotated[str, Field(min_length=1)] | None = None
    """Folder on a node's own disk that prepared data is copied to once; not set: below the node's
    temporary folder on a joined cluster, and no copy on this machine alone."""

    @field_validator("address")
    @classmethod
    def _address_holds_no_secret(cls, address: str | None) -> str | None:
        if address is not None and redact_text(address) != address:
            raise broken_rule(
                f"must hold no user or password, got {redact_text(address)}; Ray's token lies in "
                "~/.ray/auth_token"
            )
        return address
