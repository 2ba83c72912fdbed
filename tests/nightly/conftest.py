"""A schedule over the shipped files, in a store of its own."""

import pytest

from dpo_ray.nightly.opening import open_schedule
from tests.conftest import ROOT


@pytest.fixture
def schedule(tmp_path, monkeypatch):
    """Return what opens sweeps/nightly.yaml with overrides, as from the project's folder."""
    monkeypatch.chdir(ROOT)
    from pathlib import Path

    def opened(*overrides, name=None):
        return open_schedule(Path("sweeps/nightly.yaml"), overrides, tmp_path / "store", name)

    return opened
