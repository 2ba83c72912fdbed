"""`dpo-ray cache` lists and prunes, and keeps what a live sweep uses."""

import json
import os
import time

import pytest
from typer.testing import CliRunner

from dpo_ray.cli import app
from dpo_ray.cluster.lock import sweep_lock
from dpo_ray.tracking.journal import Journal
from dpo_ray.tracking.records import Prepared, SweepPlanned


@pytest.fixture
def store(tmp_path):
    for name, days in (("tokens-old", 30), ("scores-used", 30), ("rows-new", 0)):
        entry = tmp_path / "cache" / name
        entry.mkdir(parents=True)
        (entry / "data").write_bytes(b"x" * 2_000_000)
        os.utime(entry, (time.time() - days * 86400,) * 2)
    return tmp_path


@pytest.fixture
def live(store):
    """A sweep that trains on scores-used."""
    folder = store / "sweeps" / "live"
    with sweep_lock(folder):
        journal = Journal.create(folder / "journal.jsonl")
        journal.append(SweepPlanned(name="live", plan={}, host="here", pid=1, versions={}))
        hashes = {"scores": "scores-used"}
        journal.append(Prepared(rows={}, hashes=hashes, reused=True, seconds=0.0, reference={}))
        yield
        journal.close()


def cache(store, *options):
    done = CliRunner().invoke(app, ["cache", "--store", str(store), *options])
    assert done.exit_code == 0, done.output
    return done.stdout


def left(store):
    return sorted(path.name for path in (store / "cache").iterdir())


def test_the_cache_is_listed_with_size_and_last_use(store):
    shown = cache(store)
    assert "tokens-old" in shown
    assert "30 days" in shown
    assert "2.0 MB" in shown
    assert f"3 entries, 6.0 MB, in {store / 'cache'}" in shown.replace("\n", "")


def test_what_would_go_is_shown_and_stays_without_prune(store):
    shown = cache(store, "--older-than", "14")
    assert "--prune would remove 2 of them and free 4.0 MB" in shown
    assert left(store) == ["rows-new", "scores-used", "tokens-old"]


def test_pruning_keeps_what_a_live_sweep_uses(store, live):
    shown = cache(store, "--older-than", "14", "--prune")
    assert "removed 1 entry, 2.0 MB freed" in shown
    assert left(store) == ["rows-new", "scores-used"]


def test_pruning_by_size_takes_the_longest_unused(store):
    cache(store, "--max-gb", "0.003", "--prune")
    assert left(store) == ["rows-new"]


def test_machines_see_what_would_go_and_what_went(store, live):
    facts = json.loads(cache(store, "--older-than", "14", "--json"))
    goes = {each["name"]: each["goes"] for each in facts["entries"]}
    assert goes == {"rows-new": False, "scores-used": False, "tokens-old": True}
    assert (facts["bytes"], facts["removed"]) == (6_000_000, [])
    facts = json.loads(cache(store, "--older-than", "14", "--prune", "--json"))
    assert (facts["removed"], facts["freed_bytes"]) == (["tokens-old"], 2_000_000)


def test_a_store_without_a_cache_is_empty(tmp_path):
    assert "0 entries" in cache(tmp_path)
