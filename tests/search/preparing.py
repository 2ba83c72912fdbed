"""A process that prepares: `python -m tests.search.preparing STORE`. Prints what it did as JSON."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from dpo_ray.plan import make_plan
from dpo_ray.search.inputs import check_inputs, preparation
from dpo_ray.search.preparation import Screen, prepare
from dpo_ray.training.in_process import InProcess
from dpo_ray.training.jobs import Preparation
from tests.conftest import ROOT, SMALL

OVERRIDES = (*SMALL, "evaluation.batch_size=16", "data.limit=640")


def shared_preparation(store: Path, *overrides: str) -> Preparation:
    """What the small plan prepares in `store`."""
    plan = make_plan(
        ROOT / "search_spaces/beta.yaml",
        ROOT / "sweeps/local.yaml",
        [*OVERRIDES, *overrides],
        store,
    )
    return preparation(check_inputs(plan.sweep, plan.store), plan.sweep)


if __name__ == "__main__":
    say = Screen(lambda text: sys.stderr.write(f"{text}\n"))
    done = prepare(shared_preparation(Path(sys.argv[1])), InProcess(), say)
    sys.stdout.write(json.dumps(asdict(done)))
