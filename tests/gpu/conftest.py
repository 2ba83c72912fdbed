"""Trials on a CUDA device where there is one, and the same logic on a CPU where there is none."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from benchmarks.alone import control_job
from dpo_ray.plan import Plan, make_plan
from dpo_ray.ranks import Ranks
from dpo_ray.training.desk import Desk
from dpo_ray.training.jobs import TrialJob
from tests.conftest import ROOT, SMALL
from tests.gpu.needs import CUDA, on_gpu


@pytest.fixture(
    params=[
        pytest.param(
            "cpu",
            marks=pytest.mark.skipif(CUDA, reason="a Trainer takes the GPU where there is one"),
        ),
        pytest.param("cuda", marks=on_gpu(1)),
    ]
)
def desk(request: pytest.FixtureRequest) -> Iterator[Desk]:
    """A worker's memory, on each kind of device in turn, with the one thread of a worker."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Desk(Ranks(), torch.device(request.param))
    torch.set_num_threads(threads)


@pytest.fixture
def plan(tmp_path: Path) -> Callable[..., Plan]:
    """Make a small plan with a store of its own: scores of one device would pass for another's."""

    def make(*overrides: str) -> Plan:
        space, sweep = ROOT / "search_spaces/beta.yaml", ROOT / "sweeps/local.yaml"
        return make_plan(space, sweep, [*SMALL, *overrides], tmp_path / "store")

    return make


@pytest.fixture
def job(plan: Callable[..., Plan], desk: Desk, tmp_path: Path) -> Callable[..., TrialJob]:
    """Prepare a small plan on the desk, and return the job of its control trial."""

    def make(*overrides: str) -> TrialJob:
        return control_job(plan(*overrides), desk, tmp_path / "trials")

    return make
