"""The README's sweep on a model and pairs of one's own, run to its end in a small way."""

import json
import os
import subprocess

import pytest

from dpo_ray.tracking.journal import read_journal
from dpo_ray.tracking.state import fold
from tests.docs.test_commands import commands, words
from tests.sweeping import SMALL

pytestmark = pytest.mark.slow
PATIENCE_S = 300
(OWN,) = [each for each in commands() if "model.name=my-model" in each and "--dry-run" not in each]


def run(place, cluster, command: str, *more: str) -> dict[str, object]:
    """Run a documented command for machines, less the `--dry-run` that other tests add."""
    line = [word for word in words(command) if word != "--dry-run"]
    done = subprocess.run(
        [*line, *more, "--json"],
        cwd=place,
        env={**os.environ, "RAY_ADDRESS": cluster},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_ones_own_model_learns_from_ones_own_pairs_and_is_exported(place, cluster):
    small = [word for each in (*SMALL, "search.trials=2") for word in ("--set", each)]
    facts = run(place, cluster, OWN, "--name", "own", *small)
    assert facts["trials"]["completed"] == 2
    state = fold(read_journal(place / "store/sweeps/own/journal.jsonl"))
    assert state.plan.plan["sweep"]["model"]["name"].endswith("my-model")
    assert state.data.report["rows"]["source"].endswith("my_pairs.jsonl")
    assert state.data.report["rows"]["read"] == 200
    exported = run(place, cluster, "dpo-ray export own --out my-own")
    assert exported["equal"] == exported["compared"] > 0
    assert exported["needs"].endswith("my-model")
