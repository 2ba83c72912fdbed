"""Every shipped question is dry-run with the default sweep."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from dpo_ray.config.branches import active
from dpo_ray.config.parameters import contains
from dpo_ray.cost import estimate_seconds
from dpo_ray.plan import Available, check_resources, make_plan
from dpo_ray.report.plan_table import print_plan

ROOT = Path(__file__).parents[2]
SPACES = sorted((ROOT / "search_spaces").glob("*.yaml"))
SWEEP = ROOT / "sweeps/local.yaml"
TWO_CPUS = Available(2.0, 0, None, "this machine")


def stem(path: Path) -> str:
    return path.stem


def test_the_shipped_questions_are_these():
    assert [path.stem for path in SPACES] == [
        "beta",
        "beta_wide",
        "learning_rate",
        "lora_rank",
        "loss_type",
        "weighting",
    ]


@pytest.mark.parametrize("path", SPACES, ids=stem)
def test_a_shipped_question_has_a_plan_on_one_screen(path):
    plan = make_plan(path, SWEEP)
    placement = check_resources(plan, TWO_CPUS)
    console = Console(file=io.StringIO(), width=120, color_system=None)
    print_plan(plan, placement, estimate_seconds(plan, 440_000, placement), console)
    lines = console.file.getvalue().splitlines()
    assert lines[0].rstrip() == plan.question
    assert plan.question.endswith("?")
    assert len(lines) <= 40
    assert all(any(name in line for line in lines) for name in plan.space.parameters)


@pytest.mark.parametrize("path", SPACES, ids=stem)
def test_a_shipped_question_says_how_to_ask_it(path):
    command = path.read_text().splitlines()[2]
    assert command.startswith(f"#   python -m dpo_ray.sweep search_spaces/{path.name}")


@pytest.mark.parametrize("path", SPACES, ids=stem)
@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
def test_a_shipped_question_begins_with_the_sweeps_own_values(path, sampler):
    plan = make_plan(path, SWEEP, [f"search.sampler={sampler}"])
    for proposal in plan.first:
        ranges = active(plan.space, proposal.params)
        assert ranges.keys() <= proposal.params.keys()
        assert all(contains(ranges[name], proposal.params[name]) for name in ranges)
        plan.training_for(proposal.params)
    assert plan.training_for(plan.control) == plan.sweep.training


def test_the_command_itself_shows_a_plan_of_branches_and_writes_nothing(tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "dpo_ray.sweep",
            str(ROOT / "search_spaces/loss_type.yaml"),
            "--sweep",
            str(SWEEP),
            "--dry-run",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "COLUMNS": "140"},
    )
    assert done.returncode == 0, done.stderr
    assert "loss_type is sigmoid_norm" in done.stdout
    assert not list(tmp_path.iterdir())
