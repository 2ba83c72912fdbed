"""Ray Train, without the processes a slot never uses."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from ray.train.v2._internal.callbacks import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.execution.controller.controller import TrainController
from ray.train.v2._internal.execution.scaling_policy.fixed import FixedScalingPolicy
from ray.train.v2._internal.execution.worker_group import WorkerGroup
from ray.train.v2._internal.execution.worker_group.placement_group_handle import (
    DefaultPlacementGroupHandle,
)
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
from ray.train.v2.api.result import Result
from ray.util import (
    get_placement_group,
    placement_group,
    placement_group_table,
    remove_placement_group,
)


class FixedCluster(FixedScalingPolicy):
    """The policy of a cluster that never grows: it asks no autoscaler, so none is started."""

    def _send_resource_request(self) -> None: ...

    def _maybe_send_resource_request(self) -> None: ...

    def _cancel_resource_request(self) -> None: ...


class NamedWorkerGroup(WorkerGroup):
    """A worker group whose reservation bears its run's name, a slot's.

    Ray frees the reservation of a dead actor only when the whole job is over, so whoever replaces
    the slot must find it.
    """

    def _create_placement_group(self, scaling_config: Any, context: Any) -> Any:
        run = self._train_run_context.run_config.name
        reserved = placement_group(
            bundles=[context.resources_per_worker] * context.num_workers,
            strategy=context.placement_strategy,
            bundle_label_selector=context.label_selector,
            name=f"{run}/{uuid4().hex}",
        )
        return DefaultPlacementGroupHandle(reserved)


class SlotController(TrainController):
    """Ray Train's controller over a named group."""

    worker_group_cls = NamedWorkerGroup


def free_reservations(run: str) -> None:
    """Remove what a run whose process has died has reserved, granted or not."""
    for each in placement_group_table().values():
        if each["name"].startswith(f"{run}/") and each["state"] != "REMOVED":
            remove_placement_group(get_placement_group(each["name"]))


class WorkerGroupTrainer(DataParallelTrainer):
    """Ray Train's trainer with fewer processes, each of which costs a slot's start seconds.

    Ray 2.60 starts a Ray Data manager before the workers may begin, which the readers of a
    prepared cache have no use for, and a process for its controller, which here runs in the
    thread that calls `fit` (ray/train/v2/api/data_parallel_trainer.py). A `disposable` cluster
    needs neither the process that cleans up after a dead driver nor the one that talks to an
    autoscaler.
    """

    def __init__(
        self, loop: Callable[[dict[str, Any]], None], *, disposable: bool, **arguments: Any
    ) -> None:
        self._disposable = disposable
        self._unused = (DatasetsCallback, *([PlacementGroupCleanerCallback] if disposable else []))
        super().__init__(loop, **arguments)

    def _create_default_callbacks(self) -> list[Any]:
        callbacks = super()._create_default_callbacks()
        return [each for each in callbacks if not isinstance(each, self._unused)]

    def _initialize_and_run_controller(self, **arguments: Any) -> Result:
        if self._disposable:
            arguments["scaling_policy"] = FixedCluster(self.scaling_config)
        controller = SlotController(**arguments)
        asyncio.run(controller.run())
        return controller.get_result()


def backend(workers: int, gpus: float) -> Any:
    """Return how the workers of a group find each other: not at all, where there is one.

    A lone worker with several devices gets torch's process group all the same: without one, the
    Trainer would spread its batches over the devices in a way of its own. torch is imported only
    where it is needed, as this is a slot's own process.
    """
    if workers == 1 and gpus <= 1:
        return None
    from ray.train.torch import TorchConfig

    return TorchConfig()
