"""Ray Train, without the processes a slot never uses."""

from collections.abc import Callable
from typing import Any

from ray.train.torch import TorchTrainer
from ray.train.v2._internal.callbacks import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback


class WorkerGroupTrainer(TorchTrainer):
    """TorchTrainer that starts no Ray Data manager: workers read the prepared cache.

    Ray 2.60 starts the manager's process all the same, before the workers may begin, and one
    that cleans up after a dead driver, which a `disposable` cluster has no use for
    (ray/train/v2/api/data_parallel_trainer.py). Each costs three seconds of a slot's start.
    """

    def __init__(
        self, loop: Callable[[dict[str, Any]], None], *, disposable: bool, **arguments: Any
    ) -> None:
        self._unused = (DatasetsCallback, *([PlacementGroupCleanerCallback] if disposable else []))
        super().__init__(loop, **arguments)

    def _create_default_callbacks(self) -> list[Any]:
        callbacks = super()._create_default_callbacks()
        return [each for each in callbacks if not isinstance(each, self._unused)]
