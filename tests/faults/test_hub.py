"""The hub is busy: it is asked again, a few times, and what it sends comes once for all trials."""

import os
import subprocess
import sys
from collections import Counter

import pytest

from dpo_ray.reference.model import EMBEDDED, model_folder
from tests.data import hub_server
from tests.data.hub_server import Repo, running_hub
from tests.faults.invariants import hold
from tests.faults.life import Sweep
from tests.sweeping import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.cluster_last, pytest.mark.long]
WITHIN_S, GIVES_UP_S = 240.0, 60.0
BUSY = (429, 429, 503)
WEIGHTS = "model.safetensors"
CHECK = [sys.executable, "-c", "from dpo_ray.cli import app; app()", "check"]


def tiny() -> Repo:
    """The embedded model, as somebody's on a hub."""
    return Repo({path.name: path.read_bytes() for path in model_folder(EMBEDDED).iterdir()})


@pytest.mark.injects("a hub on loopback that answers 429, 429, 503 and then goes on")
def test_fault_14_a_busy_hub(alone, place, recovered):
    with running_hub() as hub:
        hub.repos["models", "somebody/tiny"] = tiny()
        hub.failing += BUSY
        around = {
            "HF_ENDPOINT": hub.url,
            "HF_HUB_OFFLINE": "0",
            "HF_HOME": str(place.parent / "hub-home"),
        }
        settings = ("model.name=somebody/tiny", "search.trials=3", "search.scheduler.type=none")
        sweep = Sweep(place, "busy-hub", settings, environment=around)
        state = hold(sweep, sweep.run(), code=0, within_s=WITHIN_S)
        assert hub.failing == []
        sent = Counter(hub.downloads())
    assert {row.status for row in state.trials.values()} == {"COMPLETED"}
    assert any(WEIGHTS in path for path in sent)
    assert set(sent.values()) == {1}, "a file was downloaded again"


@pytest.mark.injects("a hub on loopback that answers nothing but 429")
def test_fault_14_a_hub_that_never_answers(place, tmp_path):
    with running_hub() as hub:
        hub.failing += [429] * 1000
        around = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path)}
        sweep = Sweep(place, "no-hub", ("model.name=somebody/tiny",), environment=around)
        ended = sweep.run()
        asked = len(hub.asked)
    assert ended.code == 2, ended.errors
    assert ended.seconds < GIVES_UP_S
    assert "Traceback" not in ended.errors
    assert "429" in ended.errors
    assert 2 <= asked <= 10
    assert not sweep.journal.exists()


class BreaksOff(hub_server._Handler):
    """Sends half of what it has promised, and hangs up: of the weights, once."""

    once = True

    def _answer(self, status, body, headers=None):
        if self.command != "GET" or not self.path.endswith(WEIGHTS) or not type(self).once:
            return super()._answer(status, body, headers)
        type(self).once = False
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2])
        self.close_connection = True


@pytest.mark.injects("a hub on loopback that hangs up in the middle of the weights, once")
def test_fault_14_half_of_a_download(tmp_path, monkeypatch):
    monkeypatch.setattr(hub_server, "_Handler", BreaksOff)
    words = [*CHECK, "search_spaces/beta.yaml", "--set", "model.name=somebody/tiny"]
    repo = tiny()
    with running_hub() as hub:
        hub.repos["models", "somebody/tiny"] = repo
        own = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "hub")}
        done = subprocess.run(
            [*words, "--store", str(tmp_path / "store")],
            cwd=ROOT, env=os.environ | own, capture_output=True, text=True, timeout=GIVES_UP_S,
        )  # fmt: skip
        sent = Counter(path.rpartition("/")[2] for path in hub.downloads())
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert sent[WEIGHTS] == 2
    (found,) = (tmp_path / "hub").glob(f"**/snapshots/*/{WEIGHTS}")
    assert found.read_bytes() == repo.files[WEIGHTS]
