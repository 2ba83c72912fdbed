"""The reference is run on each pair once for a whole sweep, and never again by the next."""

from collections import Counter
from math import ceil

import pytest
import torch

from dpo_ray.data.prepared import load_scored
from dpo_ray.plan import make_plan
from dpo_ray.ranks import Ranks
from dpo_ray.search.inputs import check_inputs, preparation
from dpo_ray.search.preparation import Screen, prepare, trial_template
from dpo_ray.training.desk import Desk
from dpo_ray.training.in_process import InProcess
from dpo_ray.training.trial import run_trial
from tests.conftest import ROOT, SMALL
from tests.training.conftest import InProcessMailbox

CONFIGURATIONS = [
    {"beta": beta, "learning_rate": rate, "lora_rank": rank, "seed": seed}
    for beta, rate, rank, seed in [
        (0.1, 2e-3, 8, 0),
        (0.5, 2e-3, 8, 0),
        (0.1, 5e-4, 8, 0),
        (0.1, 2e-3, 2, 0),
        (0.1, 2e-3, 8, 1),
        (0.3, 1e-3, 4, 2),
        (0.2, 4e-3, 16, 3),
        (0.4, 3e-3, 1, 4),
    ]
]


@pytest.fixture
def plan(tmp_path):
    return make_plan(
        ROOT / "search_spaces/beta.yaml",
        ROOT / "sweeps/local.yaml",
        [*SMALL, "training.max_steps=2", "evaluation.batch_size=64", "data.limit=400"],
        tmp_path / "store",
    )


@pytest.fixture
def desk():
    return Desk(Ranks(), torch.device("cpu"))


def count_forwards(model, counts):
    """Count, at its first layer, the forwards of the bare model and those under an adapter."""

    def note(layer, *_):
        lora = layer.self_attn.q_proj
        active = hasattr(lora, "lora_A") and not lora.disable_adapters
        counts["policy" if active else "reference"] += 1

    model.model.layers[0].register_forward_pre_hook(note)


@pytest.mark.slow
def test_eight_trials_and_a_second_sweep_cost_the_reference_one_pass_over_the_pairs(plan, desk):
    inputs = check_inputs(plan.sweep, plan.store)
    shared, counts = preparation(inputs, plan.sweep), Counter()
    workers = InProcess(desk)
    prepare(shared, workers, Screen(), stages=(("tokens",),))
    count_forwards(desk.model(shared.model), counts)
    once = prepare(shared, workers, Screen(), stages=(("scores",),))

    sizes = [len(load_scored(shared.prepared, split)) for split in ("train", "validation", "test")]
    expected = sum(ceil(size / 64) for size in sizes)
    assert sum(sizes) == 400
    assert counts == {"reference": expected}
    assert once.forwards == expected

    prepare(shared, workers, Screen())
    counts.clear()
    for number, params in enumerate(CONFIGURATIONS):
        template = trial_template(plan.sweep, shared, plan.folder)
        job = template.configured(number, params, "sampler")
        assert run_trial(job, number, desk, InProcessMailbox()).state == "COMPLETED"
    # Over fresh samples, for KL alone: one batch of 16 prompts at each of two rungs.
    assert counts["reference"] == 2 * len(CONFIGURATIONS)

    counts.clear()
    again = prepare(preparation(inputs, plan.sweep), workers, Screen())
    assert (again.made, again.forwards) == ([], 0)
    assert not counts
