import subprocess
import sys

HEAVY = ("torch", "transformers", "peft", "trl", "matplotlib", "mlflow")
CODE = f"""
import sys
import dpo_ray.stages, dpo_ray.search.tuner
print([name for name in {HEAVY!r} if name in sys.modules])
"""


def test_the_driver_imports_nothing_that_only_workers_mirrors_or_figures_need():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
