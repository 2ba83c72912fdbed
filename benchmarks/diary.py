"""What a pattern that runs one trial after another in one process notes of them."""

import time
from dataclasses import dataclass, field

import torch

from benchmarks.stock import Trained
from benchmarks.task import Observed, Quality
from dpo_ray.config.training import TrainingConfig


@dataclass
class Diary:
    """One line per trial; times in Unix seconds."""

    first_steps: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)
    steps: int = 0
    whole: list[Quality] = field(default_factory=list)

    def note(self, training: TrainingConfig, trained: Trained) -> None:
        """Note a trial that has ended just now."""
        self.ended.append(time.time())
        self.first_steps.append(trained.first_step)
        self.steps += trained.steps
        self.whole += trained.whole(training)

    def observed(self) -> Observed:
        """Return what was seen."""
        pairs = zip(self.first_steps[1:], self.ended, strict=False)
        return Observed(
            first_step=self.first_steps[0],
            ended=tuple(self.ended),
            gaps=tuple(step - end for step, end in pairs),
            threads=torch.get_num_threads(),
            steps=self.steps,
            whole=tuple(self.whole),
        )
