"""S4 and S12: what people write into files and commands may be hostile."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dpo_ray.cli import app
from dpo_ray.config.loading import load_space, load_sweep
from dpo_ray.config.naming import NAME
from dpo_ray.errors import ConfigError
from dpo_ray.nightly.opening import open_schedule
from dpo_ray.plan import make_plan
from tests.sweeping import ROOT

FLOOD = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60))


@pytest.mark.parametrize("load", [load_space, load_sweep])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("training: !!python/object/apply:os.system ['touch ran']\n", "tags are not allowed"),
        ("training: !!python/name:os.system\n", "tags are not allowed"),
        ("a: 1\nb: 2\na: 3\n", "f.yaml:3: a: written twice, first at f.yaml:1"),
        (FLOOD, "f.yaml:2: aliases are not allowed"),
        ("#" * 1_000_001, "f.yaml: must have at most 1,000,000 bytes, has 1,000,001"),
        ("hobby: fishing\n", "f.yaml:1: hobby: unknown key"),
    ],
)
def test_s4_hostile_yaml_is_refused_and_runs_nothing(tmp_path, monkeypatch, load, text, words):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "f.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load(file.relative_to(tmp_path))
    assert words in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["f.yaml"]


def test_s4_a_number_in_scientific_notation_is_a_number(tmp_path):
    file = tmp_path / "s.yaml"
    file.write_text("training: {learning_rate: 1e-5}\n")
    assert load_sweep(file).training.learning_rate == 1e-5


HOSTILE = ["../x", "/x", "..", ".hidden", "a/b", "a\\b", "a b", "a\x00b", "", "x" * 65, "é", "a\n"]


@pytest.mark.parametrize("name", HOSTILE)
def test_s12_a_hostile_name_is_refused_for_sweeps_and_schedules(tmp_path, monkeypatch, name):
    monkeypatch.chdir(ROOT)
    store = tmp_path / "store"
    for opened in (
        lambda: make_plan(
            Path("search_spaces/beta.yaml"), Path("sweeps/local.yaml"), [], store, name
        ),
        lambda: open_schedule(Path("sweeps/nightly.yaml"), [], store, name),
    ):
        with pytest.raises(ConfigError, match="letters, digits, dots, dashes or underscores"):
            opened()
    assert list(tmp_path.iterdir()) == []


def test_s12_the_rule_is_the_written_one():
    assert NAME.pattern == "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
    assert NAME.fullmatch("A.b_c-9")


@pytest.mark.parametrize("verb", ["report", "ui", "sync", "promote"])
def test_s12_no_name_leads_out_of_the_store(tmp_path, verb):
    """A folder may be named in its place, as seen from here; a name is never joined to a path."""
    (tmp_path / "store/sweeps/real").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/journal.jsonl").write_text("{}\n")
    store = str(tmp_path / "store")
    found = CliRunner().invoke(app, [verb, "../../elsewhere", "--store", store])
    assert found.exit_code == 2
    assert f"{store} has no sweep ../../elsewhere" in found.stderr


def test_s12_the_command_itself_writes_nothing_outside_its_store(tmp_path):
    command = [sys.executable, "-m", "dpo_ray.sweep", "search_spaces/beta.yaml", "--name", "../out"]
    done = subprocess.run(
        [*command, "--store", str(tmp_path / "store")], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert '"../out"' in done.stderr
    assert list(tmp_path.iterdir()) == []
