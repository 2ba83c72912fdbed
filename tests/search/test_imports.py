import subprocess
import sys

import pytest

TRAINING = ("torch", "transformers", "peft", "trl")
HEAVY = (*TRAINING, "matplotlib", "mlflow")
DRIVER = (
    "dpo_ray.stages, dpo_ray.search.tuner, dpo_ray.search.confirmation, dpo_ray.search.champion"
)


def imported(modules, of):
    code = f"import sys, {modules}; print([name for name in {of!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    return done.stdout.strip() or done.stderr


def test_the_driver_imports_nothing_that_only_workers_mirrors_or_figures_need():
    assert imported(DRIVER, HEAVY) == "[]"


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        ("dpo_ray.report.closing, dpo_ray.tracking.mlflow_mirror", TRAINING),
        ("dpo_ray.search.proxy", (*HEAVY, "optuna", "scipy")),
        ("dpo_ray.slots.slot, dpo_ray.slots.group", (*HEAVY, "optuna", "scipy")),
    ],
)
def test_figures_stand_ins_and_slots_start_without_what_they_do_not_use(modules, heavy):
    assert imported(modules, heavy) == "[]"
