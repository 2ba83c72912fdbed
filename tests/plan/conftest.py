from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from dpo_ray.plan import Plan, make_plan

# A busy machine is no fault of the code.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

ROOT = Path(__file__).parents[2]
Make = Callable[..., Plan]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Make a plan from file texts written into the working directory."""
    monkeypatch.chdir(tmp_path)

    def _make(space: str, sweep: str = "{}", *overrides: str, name: str | None = None) -> Plan:
        Path("question.yaml").write_text(space, encoding="utf-8")
        Path("sweep.yaml").write_text(sweep, encoding="utf-8")
        return make_plan(Path("question.yaml"), Path("sweep.yaml"), overrides, name=name)

    return _make


@pytest.fixture
def shipped() -> Make:
    """Plan the shipped question with the shipped default sweep."""

    def _plan(*overrides: str, store: Path = Path("/store")) -> Plan:
        space, sweep = ROOT / "search_spaces/beta.yaml", ROOT / "sweeps/local.yaml"
        return make_plan(space, sweep, overrides, store)

    return _plan
