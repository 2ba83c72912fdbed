"""Ray Train, without what a slot never uses."""

from typing import Any

from ray.train.torch import TorchTrainer
from ray.train.v2._internal.callbacks import DatasetsCallback


class WorkerGroupTrainer(TorchTrainer):
    """TorchTrainer that starts no Ray Data manager.

    Workers read their rows from the prepared cache. Ray 2.60 starts the manager's process all
    the same, before the workers may begin (ray/train/v2/api/data_parallel_trainer.py): three
    seconds of a slot's start.
    """

    def _create_default_callbacks(self) -> list[Any]:
        callbacks = super()._create_default_callbacks()
        return [each for each in callbacks if not isinstance(each, DatasetsCallback)]
