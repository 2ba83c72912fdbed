"""(c) A plain loop: one process, one stock run after another."""

import time

import torch

from benchmarks.stock import read_rows, train_stock
from benchmarks.task import Observed, Task


def run(task: Task) -> Observed:
    """Run all configurations. The pairs are read once; TRL tokenizes them in every trial."""
    rows = read_rows(task)
    first_steps, ended = [], []
    for number, training in enumerate(task.trainings):
        folder = task.folder / f"trial-{number}"
        first_steps.append(train_stock(task, training, rows, folder))
        ended.append(time.time())
    gaps = [step - end for step, end in zip(first_steps[1:], ended, strict=False)]
    return Observed(
        first_step=first_steps[0],
        ended=tuple(ended),
        gaps=tuple(gaps),
        threads=torch.get_num_threads(),
    )
