"""`dpo-ray check`: the report before anything is trained, and the same refusals as a sweep's."""

import json

import pytest
from typer.testing import CliRunner

from dpo_ray.cli import app
from dpo_ray.data.housekeeping import entries
from tests.conftest import ROOT

SPACE, SWEEP = str(ROOT / "search_spaces/beta.yaml"), str(ROOT / "sweeps/local.yaml")
PAIR = {"prompt": "The soup was", "chosen": " good.", "rejected": " bad."}


@pytest.fixture
def check(tmp_path):
    def run(file, *options):
        arguments = ["check", str(file), "--store", str(tmp_path / "store"), *options]
        if file == SPACE:
            arguments += ["--sweep", SWEEP]
        return CliRunner().invoke(app, arguments)

    return run


@pytest.fixture
def source(tmp_path):
    def write(rows):
        path = tmp_path / "pairs.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write


@pytest.mark.parametrize("file", [SPACE, SWEEP])
def test_a_space_and_a_sweep_show_the_same_report(check, file, tmp_path):
    done = check(file)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "Data: embedded (standard)"
    assert lines[1] == ("  rows      1,600 read, 1,600 kept: 985 train, 323 validation, 292 test")
    kinds = {entry.kind for entry in entries(tmp_path / "store" / "cache")}
    assert kinds == {"rows", "tokens"}


def test_doubtful_rows_are_named(check, source):
    rows = [{**PAIR, "prompt": f"Soup {number} was"} for number in range(40)]
    path = source([*rows, rows[3], {**rows[5], "chosen": " bad."}])
    done = check(SPACE, "--set", f"data.source={path}")
    assert done.exit_code == 0, done.output
    assert "dropped   1 x duplicate_pair: the same pair again (row 41)" in done.stdout
    assert "dropped   1 x identical_pair: chosen equals rejected (row 42)" in done.stdout


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({**PAIR, "chosen": None}, "row 2: chosen must not be null, got null"),
        ({**PAIR, "rejected": " "}, "row 2: rejected must not be empty, got ' '"),
        ({**PAIR, "prompt": [{"role": "user", "content": "x"}]}, "row 2: prompt must be a string"),
    ],
)
def test_a_wrong_row_exits_2_with_its_number_and_leaves_nothing(check, source, tmp_path, row, text):
    done = check(SPACE, "--set", f"data.source={source([PAIR, row])}")
    assert done.exit_code == 2
    assert text in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "store").exists()


def test_a_doubtful_row_may_be_made_an_error(check, source):
    path = source([PAIR, PAIR])
    done = check(
        SWEEP, "--set", f"data.source={path}", "--set", "data.warnings.duplicate_pair=stop"
    )
    assert done.exit_code == 2
    assert "data.warnings.duplicate_pair is stop, and the same pair again in 1 row: row 2" in (
        done.stderr
    )


def test_a_wrong_file_is_refused_like_a_sweeps(check, tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text("data: {sorce: x}\n")
    done = check(path)
    assert done.exit_code == 2
    assert f"{path}:1: data.sorce: unknown key; did you mean source?" in done.stderr
