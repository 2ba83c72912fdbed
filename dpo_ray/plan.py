"""Space + sweep -> Plan: everything that is decided before anything runs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from dpo_ray.config.document import Document
from dpo_ray.config.findings import explain
from dpo_ray.config.grid import grid
from dpo_ray.config.loading import open_space, open_sweep
from dpo_ray.config.naming import sweep_name
from dpo_ray.config.parameters import Value
from dpo_ray.config.redaction import redact
from dpo_ray.config.refusing import refuse_misleading
from dpo_ray.config.resolving import control_of, resolve_space
from dpo_ray.config.resources import ResourcesConfig
from dpo_ray.config.samplers import GridConfig
from dpo_ray.config.space import SearchSpace
from dpo_ray.config.sweep import SweepConfig
from dpo_ray.config.training import TrainingConfig
from dpo_ray.config.try_first import resolve_try_first
from dpo_ray.config.wording import problem
from dpo_ray.errors import ConfigError
from dpo_ray.nodes import Available as Available
from dpo_ray.nodes import room

FirstOrigin = Literal["control", "try_first", "warm_start", "grid"]


@dataclass(frozen=True)
class Proposal:
    """A configuration that is known before anything runs."""

    params: dict[str, Value]
    """Every active parameter, tied ones included, in the space's order."""
    origin: FirstOrigin
    """Who proposed it: the sweep's own values, `search.try_first`, an older sweep, or the grid."""


@dataclass(frozen=True)
class Plan:
    """A sweep ready to run; all paths are absolute."""

    name: str
    question: str
    """What the space file asks in its first comment, or nothing."""
    store: Path
    space_path: Path
    sweep_path: Path
    space: SearchSpace
    """What is searched, relative ranges multiplied out."""
    sweep: SweepConfig
    first: list[Proposal]
    """The control trial, then `search.try_first`, then the grid where that is the sampler."""

    @property
    def control(self) -> dict[str, Value]:
        """The sweep's own value of each field that is searched at the sweep's own roots."""
        return self.first[0].params

    @property
    def trials(self) -> int:
        """How many configurations are tried: a grid may have fewer than `search.trials`."""
        asked = self.sweep.search.trials
        return min(asked, len(self.first)) if self.sweep.search.sampler.type == "grid" else asked

    @property
    def folder(self) -> Path:
        """Where this sweep writes."""
        return self.store / "sweeps" / self.name

    def training_for(self, params: Mapping[str, Value]) -> TrainingConfig:
        """Return the training of one trial; ConfigError where the parameters are not legal.

        A field that is not searched at the trial's roots keeps the sweep's own value.
        """
        values = {**self.sweep.training.model_dump(), **params}
        try:
            return TrainingConfig.model_validate(values)
        except ValidationError as error:
            places = Document(values, {(): f"a trial of {self.name}"})
            raise explain(error, TrainingConfig, places) from None

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON values, passwords in URLs starred out."""
        plain = {
            "name": self.name,
            "question": self.question,
            "store": str(self.store),
            "space_path": str(self.space_path),
            "sweep_path": str(self.sweep_path),
            "space": self.space.model_dump(mode="json"),
            "sweep": self.sweep.model_dump(mode="json"),
            "control": self.control,
            "first": [asdict(proposal) for proposal in self.first],
            "trials": self.trials,
        }
        return dict(redact(plain))


def make_plan(
    space_path: Path,
    sweep_path: Path,
    overrides: Sequence[str] = (),
    store: Path = Path("store"),
    name: str | None = None,
) -> Plan:
    """Resolve and check both files; nothing is created. ConfigError says all that is wrong."""
    space, space_file = open_space(space_path)
    sweep, sweep_file = open_sweep(sweep_path, overrides)
    resolved = resolve_space(space, sweep.training, space_file, sweep_file)
    refuse_misleading(sweep, resolved, sweep_file)
    return Plan(
        name=sweep_name(name, space_path, resolved, sweep),
        question=space_file.question,
        store=store.absolute(),
        space_path=space_path.absolute(),
        sweep_path=sweep_path.absolute(),
        space=resolved,
        sweep=sweep,
        first=_first(resolved, sweep, sweep_file),
    )


def _first(space: SearchSpace, sweep: SweepConfig, sweep_file: Document) -> list[Proposal]:
    search = sweep.search
    control = control_of(space, sweep.training)
    asked = resolve_try_first(space, control, search.try_first, sweep_file)
    first = [Proposal(control, "control"), *(Proposal(each, "try_first") for each in asked)]
    if isinstance(search.sampler, GridConfig):
        try:
            points = grid(space, search.sampler.points, search.seed)
        except ValueError as error:
            raise ConfigError(problem(sweep_file, ("search", "sampler"), str(error))) from None
        known = [proposal.params for proposal in first]
        first += [Proposal(point, "grid") for point in points if point not in known]
    return first


@dataclass(frozen=True)
class Placement:
    """What the sweep takes of it."""

    gpus_per_worker: float
    cpus_asked: float
    cpus_available: float
    gpus_asked: float
    gpus_available: int
    device: Literal["cpu", "cuda"]
    gpu_name: str | None
    """What the GPUs are called, whether they are used or not."""
    where: str
    """`this machine`, or a cluster's address; also why a GPU may be missing."""


PROXY_CPUS = 0.01
"""CPUs of a Tune trial itself, which only leases a slot."""


def check_resources(plan: Plan, available: Available) -> Placement:
    """Fit all slots in at once, or raise ConfigError: Ray would wait for ever without a word.

    With `cluster.wait_minutes` nothing is refused: nodes may come that are not there yet.
    """
    slots, asked = plan.sweep.search.concurrent, plan.sweep.resources
    workers = slots * asked.workers
    cpus = round(slots * (PROXY_CPUS + asked.workers * asked.cpus_per_worker), 4)
    gpus = _gpus_per_worker(asked.gpus_per_worker, workers, available)
    if plan.sweep.cluster.wait_minutes is None:
        _refuse_too_much(plan, available, cpus, gpus)
    return Placement(
        gpus_per_worker=gpus,
        cpus_asked=cpus,
        cpus_available=available.cpus,
        gpus_asked=workers * gpus,
        gpus_available=available.gpus,
        device="cuda" if gpus else "cpu",
        gpu_name=available.gpu_name,
        where=available.where,
    )


def worker_resources(resources: ResourcesConfig, gpus: float) -> dict[str, float]:
    """Return what one worker takes, by Ray's names."""
    own = {"CPU": resources.cpus_per_worker} | ({"GPU": gpus} if gpus else {})
    return own | resources.custom


def _refuse_too_much(plan: Plan, available: Available, cpus: float, gpus: float) -> None:
    slots, asked = plan.sweep.search.concurrent, plan.sweep.resources
    workers = slots * asked.workers
    shape = f"{slots} trials at once x {asked.workers} workers"
    if cpus > available.cpus:
        raise ConfigError(
            f"{plan.sweep_path}: {shape} x {asked.cpus_per_worker:g} CPUs, {PROXY_CPUS} for each "
            f"trial itself, ask for {cpus:g} CPUs, {available.where} has {available.cpus:g}; "
            "lower search.concurrent, resources.workers or resources.cpus_per_worker"
        )
    if gpus and workers > room(available.rooms, {"GPU": gpus}):
        raise ConfigError(
            f"{plan.sweep_path}: {shape} x {gpus:g} GPUs ask for {workers * gpus:g} GPUs, "
            f"{available.where} has {available.gpus}; lower search.concurrent, resources.workers "
            "or resources.gpus_per_worker (0: CPU only)"
        )
    if workers > room(available.rooms, worker_resources(asked, gpus)):
        raise ConfigError(
            f"{plan.sweep_path}: {room_sentence(plan, available)}; lower search.concurrent or what "
            "resources asks for, or set cluster.wait_minutes where an autoscaler brings nodes"
        )


def room_sentence(plan: Plan, available: Available) -> str:
    """Say for how many workers a sweep needs room on whole nodes, and for how many there is."""
    slots, asked = plan.sweep.search.concurrent, plan.sweep.resources
    workers = slots * asked.workers
    each = worker_resources(asked, _gpus_per_worker(asked.gpus_per_worker, workers, available))
    words = ", ".join(f"{amount:g} {name}" for name, amount in each.items())
    nodes = "; ".join(node.described(each) for node in available.rooms)
    return (
        f"{slots} trials at once x {asked.workers} workers ask for room for {workers} workers of "
        f"{words} on one node each, {available.where} has room for {room(available.rooms, each)} "
        f"({nodes})"
    )


def _gpus_per_worker(asked: float | None, workers: int, available: Available) -> float:
    if asked is not None:
        return asked
    return 1.0 if available.gpus >= workers else 0.0
