"""(c) A plain loop: one process, one stock run after another."""

from benchmarks.diary import Diary
from benchmarks.held_out import held_out_of
from benchmarks.stock import read_rows, train_stock
from benchmarks.task import Observed, Task


def run(task: Task) -> Observed:
    """Run all configurations. The pairs are read once; TRL tokenizes them in every trial."""
    rows, held_out, diary = read_rows(task), held_out_of(task), Diary()
    for number, training in enumerate(task.trainings):
        folder = task.folder / f"trial-{number}"
        diary.note(training, train_stock(task, training, rows, folder, held_out))
    return diary.observed()
