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


def printed(plan: Plan, available: Available, estimate: Estimate | None, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
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


TREE = (
    "# question.yaml - Which loss?\n"
    "parameters:\n"
    "  loss_type: {type: categorical, choices: [sigmoid, ipo]}\n"
    "  beta:\n"
    "    - {type: float, low: 0.1, high: 0.5, when: {loss_type: [sigmoid]}}\n"
    "    - {type: float, low: 0.2, high: 5, log: true, when: {loss_type: [ipo]}}\n"
    "  lora_rank: {type: int, low: 4, high: 16, step: 4}\n"
    "  lora_alpha: {type: tied, to: lora_rank, times: 2}\n"
)


def line_of(text: str, label: str) -> str:
    found = next(line.strip() for line in text.splitlines() if line.strip().startswith(label))
    return found.removeprefix(label).strip()


def test_branches_and_ties_are_shown_with_what_they_depend_on(make):
    plan = make(
        TREE,
        "search: {sampler: {type: grid, points: 3}, try_first: [{beta: 0.3}], full_trials: 2,\n"
        "  scheduler: {type: median, metric: kl}}\n"
        "budget: {hours: 6, trial_minutes: 30}\n",
        name="tree",
    )
    text = printed(replace(plan, store=Path("/store")), TWO_CPUS, None)
    assert text == (GOLDEN / "tree.txt").read_text()


@pytest.mark.parametrize(
    ("search", "chosen"),
    [
        ("sampler: random", "then random draws"),
        ("sampler: gp", "random draws until 4 have finished, then GP"),
        (
            "sampler: {type: tpe, n_ei_candidates: 48, multivariate: false}",
            "random draws until 4 have finished, then TPE (n_ei_candidates 48, multivariate False)",
        ),
        (
            "sampler: {type: nsgaii, population_size: 6, mutation_prob: 0.2}",
            "random draws until 6 have finished, then NSGA-II in generations of 6 "
            "(mutation_prob 0.2)",
        ),
        ("sampler: grid, trials: 30", "then a grid of 15, of which 15 are tried"),
        (
            "try_first: [{beta: 0.3}]",
            "1 of try_first, random draws until 4 have finished, then TPE",
        ),
    ],
)
def test_who_proposes_is_said_with_the_options_that_were_set(make, search, chosen):
    space = "parameters:\n  beta: {type: float, low: 0.1, high: 0.5}\n"
    space += "  lora_rank: {type: int, low: 2, high: 8, step: 2}\n"
    text = printed(make(space, f"search: {{{search}}}"), TWO_CPUS, None, width=200)
    assert line_of(text, "trials").endswith(f"at once: the control first, {chosen}")


def test_a_warm_start_is_named(shipped):
    text = printed(shipped("search.warm_start=last-night"), TWO_CPUS, None)
    told = "finished trials of last-night teach the sampler, its best 3 run again"
    assert line_of(text, "warm start") == told


def test_what_varies_is_not_told_as_if_it_were_fixed(make):
    text = printed(
        make(
            "parameters:\n"
            "  epochs: {type: float, low: 0.5, high: 2}\n"
            "  sft_weight: {type: float, low: 0, high: 0.5}\n"
            "  target_modules: {type: categorical, choices: [all-linear, attention]}\n"
        ),
        TWO_CPUS,
        None,
    )
    assert line_of(text, "a trial") == (
        "the searched epochs, in steps of 16 pairs, sigmoid loss with SFT's added"
    )
    assert line_of(text, "model") == "embedded, float32, LoRA on the searched layers"
    fixed = printed(make(TREE, "training: {sft_weight: 0.1, mode: lora}"), TWO_CPUS, None)
    assert line_of(fixed, "a trial").endswith("the searched losses + 0.1 x SFT's")
