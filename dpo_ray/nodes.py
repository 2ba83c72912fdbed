"""How many workers fit on nodes: Ray places a worker on one node, never on parts of two."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Resources = Mapping[str, float]
GPU_NAME = "accelerator_type:"
"""Ray's prefix of the resource that says what a node's GPUs are called."""


@dataclass(frozen=True)
class NodeRoom:
    """One node of a cluster: `CPU`, `GPU` and the custom resources it was started with."""

    name: str
    resources: Resources

    def workers(self, each: Resources) -> int:
        """Return how many workers fit that take `each`."""
        return min(
            _fit(name, amount, self.resources.get(name, 0.0)) for name, amount in each.items()
        )

    def described(self, names: Iterable[str]) -> str:
        """Return `gpu-1: 16 CPU, 2 GPU`."""
        held = ", ".join(f"{self.resources.get(name, 0.0):g} {name}" for name in names)
        return f"{self.name}: {held}"


def room(nodes: Iterable[NodeRoom], each: Resources) -> int:
    """Return how many workers that take `each` fit on all nodes together."""
    return sum(node.workers(each) for node in nodes)


@dataclass(frozen=True)
class Available:
    """What the machine or cluster has."""

    cpus: float
    gpus: int
    gpu_name: str | None
    where: str
    """For people: `this machine`, or a cluster's address."""
    nodes: tuple[NodeRoom, ...] = ()
    """The nodes of a cluster; none: one machine."""

    @property
    def rooms(self) -> tuple[NodeRoom, ...]:
        """All nodes; the machine is one, where there is no cluster."""
        return self.nodes or (NodeRoom(self.where, {"CPU": self.cpus, "GPU": self.gpus}),)


def available(nodes: Sequence[NodeRoom], where: str) -> Available:
    """Sum up a cluster."""
    total: dict[str, float] = {}
    for node in nodes:
        for name, amount in node.resources.items():
            total[name] = total.get(name, 0.0) + amount
    names = [key.removeprefix(GPU_NAME) for key in total if key.startswith(GPU_NAME)]
    return Available(
        cpus=float(total.get("CPU", 0)),
        gpus=int(total.get("GPU", 0)),
        gpu_name=names[0] if names else None,
        where=where,
        nodes=tuple(nodes),
    )


def _fit(name: str, asked: float, there: float) -> int:
    if not asked:
        return 10**9
    if name == "GPU" and asked < 1:  # a worker never spans parts of two GPUs
        return int(1 / asked + 1e-9) * int(there)
    return int(there / asked + 1e-9)
