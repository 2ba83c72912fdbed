"""Every verb explains itself: examples that parse, exit codes, and nothing heavy to wait for."""

import json
import os
import re
import shlex
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from dpo_ray.cli import app
from dpo_ray.sweep import app as sweep_app
from tests.conftest import ROOT

VERBS = typer.main.get_command(app).commands
HEAVY = ("torch", "ray", "mlflow", "transformers", "datasets", "optuna", "pyarrow", "matplotlib")


def shown(verb: str) -> str:
    return CliRunner().invoke(app, [verb, "--help"]).output


def examples(verb: str) -> list[list[str]]:
    """The words of each example up to its comment, pipe or redirection."""
    block = VERBS[verb].help.split("Examples:\n")[1].split("\n\n")[0]
    lines = [re.split(r" #|\||\d?>", line)[0] for line in block.splitlines() if line.strip("\b ")]
    return [shlex.split(line) for line in lines]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_examples_and_exit_codes(verb):
    text = shown(verb)
    assert "Examples:" in text
    assert "Exit codes: 0 " in text
    assert examples(verb)


@pytest.mark.parametrize("verb", VERBS)
def test_every_example_is_a_command_line_of_this_verb(verb):
    for words in examples(verb):
        own = ["python", "-m", f"dpo_ray.{verb}"] if words[0] == "python" else ["dpo-ray", verb]
        assert words[: len(own)] == own
        context = VERBS[verb].make_context(verb, words[len(own) :])
        assert context.params


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_answers_machines(verb):
    assert any("--json" in option.opts for option in VERBS[verb].params)


@pytest.mark.parametrize("verb", VERBS)
def test_a_verbs_first_sentence_fits_the_list(verb):
    line = next(each for each in CliRunner().invoke(app, ["--help"]).output.splitlines()
                if each.split()[:1] == [verb])  # fmt: skip
    assert not line.endswith("...")


def test_python_m_dpo_ray_sweep_is_the_same_verb():
    alone, verb = typer.main.get_command(sweep_app), VERBS["sweep"]
    assert alone.callback.__wrapped__ is verb.callback.__wrapped__
    assert [each.opts for each in alone.params] == [each.opts for each in verb.params]
    assert alone.help == verb.help


@pytest.mark.parametrize("arguments", [["--help"], *(["" + verb, "--help"] for verb in VERBS)])
def test_help_imports_nothing_heavy(arguments):
    code = (
        "import json, sys\n"
        "from dpo_ray.cli import app\n"
        "app(sys.argv[1:], standalone_mode=False)\n"
        f"heavy = [name for name in {HEAVY} if name in sys.modules]\n"
        "sys.stderr.write(json.dumps(heavy))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT
    )
    assert json.loads(done.stderr) == []


@pytest.fixture
def store(tmp_path):
    for name in ("beta-1a2b", "beta-3c4d", "rank-5e6f"):
        folder = tmp_path / "store" / "sweeps" / name
        folder.mkdir(parents=True)
        (folder / "journal.jsonl").touch()
    return tmp_path


@pytest.mark.parametrize("verb", ["export", "ui"])
def test_the_shell_completes_names_of_sweeps(store, verb):
    code = "import sys; from dpo_ray.cli import app; app(prog_name='dpo-ray')"
    words = {"COMP_WORDS": f"dpo-ray {verb} be", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "_DPO_RAY_COMPLETE": "complete_bash", **words},
        cwd=store,
        capture_output=True,
        text=True,
    )
    assert sorted(done.stdout.split()) == ["beta-1a2b", "beta-3c4d"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_installed_for_the_usual_shells(shell):
    done = subprocess.run(
        [sys.executable, "-c", "from dpo_ray.cli import app; app(prog_name='dpo-ray')"],
        env={**os.environ, "_DPO_RAY_COMPLETE": f"source_{shell}"},
        capture_output=True,
        text=True,
    )
    assert "dpo-ray" in done.stdout
    assert "_DPO_RAY_COMPLETE" in done.stdout
