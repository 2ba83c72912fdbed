"""Each mistake: exit 2, one clear error that says where, nothing created."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

SPACE = "parameters:\n  beta: {type: float, low: 0.1, high: 0.5}\n"


@pytest.fixture
def sweep(tmp_path):
    def run(space, *options):
        command = [sys.executable, "-m", "dpo_ray.sweep", str(space), *options]
        store = tmp_path / "store"
        done = subprocess.run(
            [*command, "--store", str(store)], cwd=ROOT, capture_output=True, text=True, timeout=60
        )
        assert not store.exists()
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr

    return run


@pytest.fixture
def space(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text(SPACE)
    return path


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("parameters:\n  bta: {type: float, low: 0.1, high: 0.5}\n", (":2", "bta", "beta")),
        (SPACE.replace("0.1", "0.9"), (":2", "low", "high", "0.9", "0.5")),
        (SPACE.replace("0.1", "-0.1"), (":2", "beta", "-0.1", "must be > 0")),
        (SPACE.replace("0.1", "0"), (":2", "beta", "must be > 0")),
        (SPACE.replace("low", "lowest"), (":2", "lowest", "low")),
        ("", ("empty",)),
    ],
)
def test_a_wrong_space_names_file_line_and_key(sweep, tmp_path, text, parts):
    path = tmp_path / "space.yaml"
    path.write_text(text)
    code, error = sweep(path)
    assert code == 2
    assert str(path) in error
    for part in parts:
        assert part in error


def test_a_missing_space_is_named(sweep, tmp_path):
    code, error = sweep(tmp_path / "none.yaml")
    assert code == 2
    assert "none.yaml" in error


def test_a_misspelt_override_offers_what_is_allowed(sweep, space):
    code, error = sweep(space, "--set", "training.learning_rat=1e-3")
    assert code == 2
    assert "--set training.learning_rat=1e-3" in error
    assert "learning_rate" in error


def test_more_than_the_machine_has_is_refused_in_numbers(sweep, space):
    code, error = sweep(space, "--set", "resources.cpus_per_worker=99")
    assert code == 2
    assert "99" in error
    assert "this machine has" in error


ROW = {"prompt": "Say hello. ", "chosen": "Hello!", "rejected": "Go away."}


@pytest.mark.parametrize(
    ("rows", "parts"),
    [
        ([ROW, {**ROW, "chosen": None}], ("row 2", "chosen", "null")),
        ([{"prompt": "a", "chosen": "b"}], ("missing: rejected", "prompt")),
        ([ROW, {**ROW, "rejected": " "}], ("row 2", "rejected", "empty")),
        ([{**ROW, "chosen": "Go away."}], ("no row is left",)),
        ([], ("at least one row",)),
    ],
)
def test_bad_rows_are_named_by_number(sweep, space, tmp_path, rows, parts):
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    code, error = sweep(space, "--set", f"data.source={path}")
    assert code == 2
    assert str(path) in error
    for part in parts:
        assert part in error


def test_a_missing_data_file_is_named(sweep, space, tmp_path):
    code, error = sweep(space, "--set", f"data.source={tmp_path / 'no.jsonl'}")
    assert code == 2
    assert "no.jsonl" in error


def test_a_server_that_is_not_there_ends_the_sweep_before_it_begins(space, tmp_path):
    command = [sys.executable, "-m", "dpo_ray.sweep", str(space), "--store", str(tmp_path / "s")]
    uri = "http://127.0.0.1:9"
    done = subprocess.run(
        [*command, "--set", f"tracking.uri={uri}"],
        cwd=ROOT, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.returncode == 7
    assert uri in done.stderr
    assert not Path(tmp_path / "s").exists()
