import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from dpo_ray.cost import Estimate
from dpo_ray.plan import Available, Plan, check_resources
from dpo_ray.report.plan_table import print_plan

GOLDEN = Path(__file__).parent / "golden"
TWO_CPUS = Available(2.0, 0, None, "this machine")
ONE_GPU = Available(16.0, 1, "NVIDIA H100", "this machine")


def printed(plan: Plan, available: Available, estimate: Estimate | None) -> str:
    console = Console(file=io.StringIO(), width=120, color_system=None)
    print_plan(plan, check_resources(plan, available), estimate, console)
    return "".join(line.rstrip() + "\n" for line in console.file.getvalue().splitlines())


def test_the_shipped_plan_reads_like_this(shipped):
    plan = shipped()
    text = printed(plan, TWO_CPUS, Estimate(100.0, 190.0)).replace(plan.name, "beta-HASH")
    assert text == (GOLDEN / "shipped.txt").read_text()


def test_a_plan_for_gpus_reads_like_this(make):
    plan = make(
        "# question.yaml - How long may [bold]answers[/bold] be?\n"
        "parameters:\n  lora_rank: {type: int, low: 4, high: 64, step: 4}\n",
        "training: {epochs: 2, target_modules: [q_proj, v_proj]}\n"
        "search: {sampler: random, scheduler: {type: none}}\n"
        "resources: {gpus_per_worker: 0.5}\n"
        "tracking: {uri: 'http://me:hunter2@mlflow:5000', experiment: night}\n",
        name="night",
    )
    text = printed(replace(plan, store=Path("/store")), ONE_GPU, None)
    assert text == (GOLDEN / "gpus.txt").read_text()


def test_a_plan_that_fine_tunes_its_reference_says_so(shipped):
    plan = shipped("reference.sft={mode: full, max_steps: 60, batch_size: 8}")
    text = printed(plan, TWO_CPUS, None)
    assert "fine-tune the reference, prepare" in text
    assert "the model after SFT (full): 60 steps of 8 texts, the chosen answers" in text


@pytest.mark.parametrize(
    ("overrides", "hint"),
    [
        ([], ": fewer than 2 workers; gpus_per_worker=0.5 shares"),
        (
            ["search.concurrent=6"],  # 0.17, rounded up, would not fit six times
            ": fewer than 6 workers; gpus_per_worker=0.16 shares",
        ),
        (["resources.workers=2"], ": fewer than 4 workers"),
        (["resources.gpus_per_worker=0"], ""),  # on purpose
        (["search.concurrent=1"], ""),
    ],
)
def test_a_gpu_left_idle_is_pointed_out(shipped, overrides, hint):
    text = printed(shipped(*overrides), ONE_GPU, None)
    line = next(line for line in text.splitlines() if "GPUs" in line)
    assert line.endswith(f" asked, 1 available (NVIDIA H100){hint}")


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (20.0, 40.0, "roughly 20 to 40 s"),
        (100.0, 190.0, "roughly 2 to 3 min"),
        (118.0, 121.0, "roughly 2 min"),
        (9000.0, 18000.0, "roughly 2 to 5 h"),
    ],
)
def test_time_is_told_in_the_unit_people_would_use(shipped, low, high, text):
    assert text in printed(shipped(), TWO_CPUS, Estimate(low, high))
