"""`python -m benchmarks.child TASK.json SEEN.json`: one pattern in a fresh process."""

import sys
from importlib import import_module
from pathlib import Path

from benchmarks.task import Observed, Pattern, Task

MODULES: dict[Pattern, str] = {
    "a": "warm_slots",
    "b": "nested_trainers",
    "c": "plain_loop",
    "d": "optuna_loop",
    "e": "raw_passes",
}


def main(task_file: Path, seen_file: Path) -> None:
    """Run the task's pattern, importing no other, and write what it saw."""
    task = Task.model_validate_json(task_file.read_bytes())
    pattern = import_module(f"benchmarks.{MODULES[task.pattern]}")
    seen: Observed = pattern.run(task)
    seen_file.write_text(seen.model_dump_json())


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
