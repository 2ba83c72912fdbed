"""The fields that docs/cli.md lists are those that a command gives to machines."""

import json
import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from dpo_ray.cli import app
from dpo_ray.nightly.ledger import Ledger, Watched
from tests.conftest import ROOT

PAGE = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
NOBODY = ("--set", "cluster.address=127.0.0.1:1")
"""Where no Ray cluster answers, so that a night ends within seconds, with exit code 7."""
NIGHTLY = ("schedule", "sweeps/nightly.yaml")


def fields(command: str) -> set[str]:
    """Return the fields in the row whose first cell has this command."""
    rows = [line.split("|")[1:3] for line in PAGE.splitlines() if line.startswith("| `dpo-ray ")]
    (found,) = [second for first, second in rows if f"{command}`" in first]
    return set(re.findall(r"`(\w+)`", found))


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return what runs a verb from the project's folder, over an own store; yields its stdout."""
    monkeypatch.chdir(ROOT)

    def verb(*words: str, code: int = 0) -> str:
        done = CliRunner().invoke(app, [*words, "--store", str(tmp_path)])
        assert done.exit_code == code, done.output
        return done.stdout

    return verb


def test_a_crontab_line_is_the_same_text_for_machines(run):
    facts = json.loads(run(*NIGHTLY, "render", "--json"))
    assert facts.keys() == fields("dpo-ray schedule FILE render --json")
    assert (facts["to"], facts["text"]) == ("crontab", run(*NIGHTLY, "render"))


@pytest.mark.parametrize("to", ["cronjob", "raycronjob"])
def test_a_manifest_is_the_same_text_for_machines(run, to):
    cluster = ("--set", "cluster.address=http://ray-head:8265", "--set", "budget.hours=6")
    words = (*NIGHTLY, "render", "--to", to, *cluster)
    assert json.loads(run(*words, "--json")) == {"to": to, "text": run(*words)}


def test_pruning_says_what_went(run):
    facts = json.loads(run(*NIGHTLY, "prune", "--json", "--set", "schedule.keep=null"))
    assert facts.keys() == fields("dpo-ray schedule FILE prune --json")
    assert facts["removed"] is True


def test_a_page_of_nights_says_where_it_is(run, tmp_path):
    Ledger(tmp_path / "schedules/nightly").append(Watched(pid=os.getpid()))
    facts = json.loads(run("report", "--nights", "nightly", "--json"))
    assert facts.keys() == fields("dpo-ray report --nights NAME --json")


def schedule(tmp_path, *words: str) -> subprocess.Popen[str]:
    """Start a schedule's command whose nights find no cluster."""
    whole = ["sweeps/nightly.yaml", *words, "--json", "--store", str(tmp_path), *NOBODY]
    return subprocess.Popen(
        [sys.executable, "-m", "dpo_ray.schedule", *whole],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_submitted_night_is_one_object(tmp_path):
    said, problems = schedule(tmp_path, "submit").communicate(timeout=60)
    facts = json.loads(said)
    assert facts.keys() == fields("... submit --json"), problems
    assert facts["exit_code"] == 7
    assert facts["sweep"].startswith("nightly-")
    (log,) = (tmp_path / "schedules/nightly/logs").iterdir()
    assert "no Ray cluster answers" in log.read_text(encoding="utf-8")


def test_a_scheduler_in_the_foreground_gives_a_line_for_each_night(tmp_path):
    since = datetime.now(UTC) - timedelta(minutes=5)
    Ledger(tmp_path / "schedules/nightly").append(Watched(pid=os.getpid(), since=since))
    process = schedule(tmp_path, "run", "--set", "schedule.cron=* * * * *")
    try:
        facts = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert facts.keys() == fields("dpo-ray schedule FILE run --json")
    assert facts["exit_code"] == 7
    assert all(json.loads(line)["exit_code"] == 7 for line in rest.splitlines())
