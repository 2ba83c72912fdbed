"""`dpo-ray report` answers on stdout with a path, for people or machines."""

import json
from pathlib import Path

import pytest
from matplotlib import image
from typer.testing import CliRunner

from dpo_ray.cli import app
from dpo_ray.cluster.lock import sweep_lock
from tests.commands.test_page import listed
from tests.report.made import made


@pytest.fixture
def store(tmp_path) -> Path:
    write(tmp_path, "monday", confirms=True)
    write(tmp_path, "tuesday", seed=1)
    return tmp_path


def write(store: Path, name: str, **how) -> None:
    folder = store / "sweeps" / name
    folder.mkdir(parents=True)
    lines = [record.model_dump_json() for record in made(name=name, folder=folder, **how)]
    (folder / "journal.jsonl").write_text("\n".join(lines) + "\n")


def run(store: Path, *words: str):
    return CliRunner().invoke(app, ["report", *words, "--store", str(store)])


def test_the_path_alone_goes_to_stdout_and_the_verdict_to_stderr(store):
    done = run(store, "monday")
    assert done.exit_code == 0
    path = Path(done.stdout.strip())
    assert path == store / "sweeps/monday/report.html"
    assert path.read_text().startswith("<!DOCTYPE html>")
    assert "Confirmed: beta 0.3 beats the default" in done.stderr


def test_a_folder_is_a_name_and_out_is_another_place(store, tmp_path):
    out = tmp_path / "there" / "page.html"
    done = run(store, str(store / "sweeps/monday"), "--out", str(out))
    assert (done.exit_code, done.stdout.strip()) == (0, str(out))
    assert not (store / "sweeps/monday/report.html").exists()


def test_a_sweep_that_runs_has_a_page_too(store):
    write(store, "live", ends=False)
    with sweep_lock(store / "sweeps/live"):
        done = run(store, "live")
    assert done.exit_code == 0
    assert "Still running: 11 of 12 trials have ended" in done.stderr


def test_json_is_one_object(store):
    facts = json.loads(run(store, "monday", "--json").stdout)
    assert facts.keys() == listed("dpo-ray report NAME --json")
    assert facts["sweep"] == "monday"
    assert Path(facts["report"]).is_file()
    assert facts["recommended"]["metrics"]["eval/win_rate"] == 0.8
    assert facts["exit_code"] == 0


def test_two_names_are_compared(store):
    done = run(store, "monday", "tuesday")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert Path(lines[-1]).is_file()
    assert "monday" in lines[0]
    assert "tuesday" in lines[0]
    assert "is not distinguishable" in done.stdout or "is worse than" in done.stdout
    facts = json.loads(run(store, "monday", "tuesday", "--json").stdout)
    assert facts.keys() == listed("dpo-ray report A B --json")
    assert facts["comparable"] is True
    assert facts["sweeps"] == ["monday", "tuesday"]


def test_sweeps_of_the_same_name_are_told_apart_by_their_stores(store, tmp_path):
    one, two = tmp_path / "monday-store", tmp_path / "tuesday-store"
    for each in (one, two):
        write(each, "beta")
    facts = json.loads(
        run(store, *(str(each / "sweeps/beta") for each in (one, two)), "--json").stdout
    )
    assert facts["sweeps"] == ["monday-store/beta", "tuesday-store/beta"]
    assert Path(facts["report"]).name == "monday-store-beta-and-tuesday-store-beta.html"


def test_pictures_are_written_for_a_document(store, tmp_path):
    done = run(store, "monday", "--pictures", str(tmp_path / "pictures"))
    *drawn, page = done.stdout.split()
    assert page.endswith("report.html")
    assert [Path(path).name for path in drawn] == ["sweep.png", "frontier.png", "confirmation.png"]
    assert all(image.imread(path).std() > 0 for path in drawn)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["mondy"], "has no sweep mondy; did you mean monday?"),
        (["monday", "monday"], "NAME: must name different sweeps, got monday, monday"),
        (["monday", "tuesday", "--pictures", "p"], "--pictures: draws one sweep, got 2 names"),
    ],
)
def test_what_cannot_be_done_is_said_with_code_two(store, words, why):
    done = run(store, *words)
    assert done.exit_code == 2
    assert why in done.stderr


def test_a_place_that_cannot_be_written_is_named(store, tmp_path):
    (tmp_path / "file").write_text("")
    done = run(store, "monday", "--out", str(tmp_path / "file" / "page.html"))
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr
