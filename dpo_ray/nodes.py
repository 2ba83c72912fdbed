"""How many workers fit on nodes: Ray places a worker on one node, never on parts of two."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Resources = Mapping[str, float]


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


def _fit(name: str, asked: float, there: float) -> int:
    if not asked:
        return 10**9
    if name == "GPU" and asked < 1:  # a worker never spans parts of two GPUs
        return int(1 / asked + 1e-9) * int(there)
    return int(there / asked + 1e-9)
