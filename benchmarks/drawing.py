"""The list of configurations that every pattern runs, and the pairs it runs them on."""

import json
import tempfile
from pathlib import Path
from typing import Any

import optuna

from dpo_ray.data.pairs import read_pairs
from dpo_ray.data.rows import load_rows
from dpo_ray.data.split import Split
from dpo_ray.plan import Plan
from dpo_ray.search.distributions import propose, recorded
from dpo_ray.search.samplers import make_sampler


def draw_configurations(plan: Plan) -> list[dict[str, Any]]:
    """Draw what the plan's own search will: the control, then its seeded random draws.

    A random sampler does not look at results, so the list is known before anything runs.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study()
    for proposal in plan.first:
        study.enqueue_trial(recorded(plan.space, proposal.params)[0])
    drawn = []
    for number in range(plan.trials):
        study.sampler = make_sampler(plan.sweep.search, plan.space, number)
        drawn.append(propose(plan.space, study.ask()))
    return drawn


def write_raw_pairs(plan: Plan, split: Split, target: Path, most: int | None = None) -> Path:
    """Write the first pairs of a split raw, as somebody without a platform has them."""
    with tempfile.TemporaryDirectory() as cache:
        rows = load_rows(read_pairs(plan.sweep.data, Path(cache)).folder, split)
        kept = rows.select(range(min(most or len(rows), len(rows))))
        lines = [
            json.dumps({key: row[key] for key in ("prompt", "chosen", "rejected")}) for row in kept
        ]
        target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return target
