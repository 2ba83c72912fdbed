"""The figures beside others, taken where the training is on a GPU."""

import json
import subprocess
import sys

import pytest
import ray

from tests.conftest import ROOT
from tests.gpu.needs import on_gpu


@pytest.mark.slow
@pytest.mark.cluster_last
@pytest.mark.parametrize("options", [pytest.param(("--quick",), marks=on_gpu(1))])
def test_the_bench_table_is_made_and_shown(options, tmp_path, capsys):
    ray.shutdown()  # the bench starts its own cluster, and one at a time may live here
    figures = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *options, "--json", str(figures)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=7200,
    )
    with capsys.disabled():
        sys.stdout.write(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(figures.read_text())["tables"].keys() == {"marginal", "total", "wide"}
