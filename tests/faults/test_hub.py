"""The hub is busy: it is asked again, a few times, and what it sends comes once for all trials."""

from collections import Counter

import pytest

from dpo_ray.reference.model import EMBEDDED, model_folder
from tests.data.hub_server import Repo, running_hub
from tests.faults.invariants import hold
from tests.faults.life import Sweep

pytestmark = [pytest.mark.slow, pytest.mark.cluster_last, pytest.mark.long]
WITHIN_S = 240.0
BUSY = (429, 429, 503)


@pytest.mark.injects("a hub on loopback that answers 429, 429, 503 and then goes on")
def test_fault_14_a_busy_hub(alone, place, recovered):
    files = {path.name: path.read_bytes() for path in model_folder(EMBEDDED).iterdir()}
    with running_hub() as hub:
        hub.repos["models", "somebody/tiny"] = Repo(files)
        hub.failing += BUSY
        around = {
            "HF_ENDPOINT": hub.url,
            "HF_HUB_OFFLINE": "0",
            "HF_HOME": str(place.parent / "hub-home"),
        }
        settings = ("model.name=somebody/tiny", "search.trials=3", "search.scheduler.type=none")
        sweep = Sweep(place, "busy-hub", settings, environment=around)
        state = hold(sweep, sweep.run(WITHIN_S), code=0, within_s=WITHIN_S)
        assert hub.failing == []
        sent = Counter(hub.downloads())
    assert {row.status for row in state.trials.values()} == {"COMPLETED"}
    assert any("model.safetensors" in path for path in sent)
    assert set(sent.values()) == {1}, "a file was downloaded again"


@pytest.mark.injects("a hub on loopback that answers nothing but 429")
def test_fault_14_a_hub_that_never_answers(place, tmp_path):
    with running_hub() as hub:
        hub.failing += [429] * 1000
        around = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path)}
        sweep = Sweep(place, "no-hub", ("model.name=somebody/tiny",), environment=around)
        ended = sweep.run(WITHIN_S)
        asked = len(hub.asked)
    assert ended.code == 2, ended.errors
    assert "Traceback" not in ended.errors
    assert "429" in ended.errors
    assert 2 <= asked <= 10
    assert not sweep.journal.exists()
