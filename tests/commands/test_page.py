"""The page about the command line says what the command line does."""

import json
import re

import pytest
import typer
from typer.testing import CliRunner

from dpo_ray.cli import app
from dpo_ray.errors import DpoRayError
from dpo_ray.report.facts import sweep_facts
from dpo_ray.tracking.journal import read_journal
from dpo_ray.tracking.state import fold
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "cli.md").read_text()
EXAMPLE = ROOT / "tests" / "report" / "example.journal.jsonl"
LOCAL = ("--set", "data.limit=40")


def test_every_verb_is_listed_with_its_first_sentence():
    verbs = typer.main.get_command(app).commands
    rows = [f"| `dpo-ray {name}` | {verb.help.splitlines()[0]} |" for name, verb in verbs.items()]
    listed = [line for line in PAGE.split("\n\n")[1].splitlines() if line.startswith("| `")]
    assert sorted(listed) == sorted(rows)


def test_every_exit_code_is_listed():
    kinds, codes = [DpoRayError], set()
    while kinds:
        kind = kinds.pop()
        codes.add(kind.exit_code)
        kinds += kind.__subclasses__()
    listed = re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)
    assert set(map(int, listed)) == codes | {0}


def test_a_sweeps_json_has_the_fields_of_the_example(tmp_path):
    shown = json.loads(PAGE.split("```json\n")[1].split("```")[0])
    state = fold(read_journal(EXAMPLE))
    facts = sweep_facts(state, tmp_path, "sqlite:////x.db")
    assert shown.keys() == facts.keys()
    for key in ("recommended", "trials", "paths", "tracking"):
        assert shown[key].keys() == facts[key].keys()


def listed(command: str) -> set[str]:
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{command}` |"))
    return set(re.findall(r"`(\w+)`", row.split("|")[2]))


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("dpo-ray sweep --dry-run --json", ("sweep", "SPACE", "--sweep", "SWEEP", "--dry-run")),
        ("dpo-ray check --json", ("check", "SWEEP", *LOCAL)),
        ("dpo-ray cache --json", ("cache",)),
        ("dpo-ray doctor --json", ("doctor",)),
    ],
)
def test_the_other_objects_have_the_fields_that_are_listed(tmp_path, command, arguments):
    places = {"SPACE": ROOT / "search_spaces/beta.yaml", "SWEEP": ROOT / "sweeps/local.yaml"}
    words = [str(places.get(each, each)) for each in arguments]
    done = CliRunner().invoke(app, [*words, "--store", str(tmp_path / "store"), "--json"])
    assert json.loads(done.stdout).keys() == listed(command), done.output
