"""Sweeps submitted over HTTP, with a token, to a cluster of two nodes of one slot each."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dpo_ray.tracking.journal import read_journal
from dpo_ray.tracking.records import TrialEnded, TrialResumed
from dpo_ray.tracking.state import SweepState, fold
from tests.cluster.nodes import TwoNodes
from tests.sweeping import ROOT, arguments

pytestmark = [pytest.mark.slow, pytest.mark.cluster_last]
SETTINGS = (
    "training.max_steps=40",
    "training.checkpoint_steps=5",
    "training.learning_rate=5.0e-4",  # gentle: no trial may fail by a limit
    "evaluation.at=[0.5, 1.0]",
    "search.scheduler={type: none}",
)
PATIENCE_S = 180.0


@pytest.fixture(scope="module")
def nodes() -> Iterator[TwoNodes]:
    import ray

    ray.shutdown()  # one cluster at a time
    folder = Path(tempfile.mkdtemp(prefix="two-"))  # short: sockets lie below
    cluster = TwoNodes(folder)
    yield cluster
    cluster.end()
    shutil.rmtree(folder, ignore_errors=True)


class Submitted:
    """`python -m dpo_ray.sweep` at a desk beside the cluster."""

    def __init__(self, nodes: TwoNodes, store: Path, name: str, *settings: str) -> None:
        self.name, self._nodes = name, nodes
        self.journal = store / "sweeps" / name / "journal.jsonl"
        own = (*SETTINGS, *settings, f"cluster.address={nodes.address}")
        words = arguments(store, name, *own, space="search_spaces/beta.yaml", small=True)
        self._log = nodes.folder / f"{name}.log"
        with self._log.open("w") as stream:
            self.process = subprocess.Popen(
                [*words, "--json"],
                cwd=ROOT,
                env=nodes.environment,
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
            )

    @property
    def state(self) -> SweepState:
        return fold(read_journal(self.journal)) if self.journal.exists() else SweepState()

    @property
    def messages(self) -> str:
        return self._log.read_text()

    @property
    def job(self) -> str:
        """The id it was submitted under."""
        return next(w for w in self.messages.split() if w.startswith(f"{self.name}-2")).strip(",")

    def wait_for(self, moment: Callable[[SweepState], bool]) -> SweepState:
        deadline = time.monotonic() + PATIENCE_S
        while not moment(state := self.state):
            assert self.process.poll() is None, self.messages
            assert time.monotonic() < deadline, self.messages
            time.sleep(0.2)
        return state

    def end(self) -> dict[str, object]:
        """Wait for the command's end, and return what it gave to machines."""
        with self.process:
            out, _ = self.process.communicate(timeout=PATIENCE_S)
        return dict(json.loads(out), code=self.process.returncode)


def test_both_nodes_work_and_when_one_is_killed_the_other_finishes(nodes, store):
    # Long enough that the second slot is warm before the first has done all.
    sweep = Submitted(nodes, store, "two-nodes", "search.trials=4", "training.max_steps=60")
    at_work = sweep.wait_for(
        lambda state: len({row.slot for row in state.running if row.step >= 10}) == 2
    )
    nodes.nodes[1].raylet().kill()
    found = sweep.end()
    assert (found["code"], found["exit_code"]) == (0, 0), sweep.messages
    assert found["trials"] == {
        **{"asked": 4, "completed": 4},
        **{"stopped": 0, "failed": 0, "killed": 0},
    }

    records = read_journal(sweep.journal)
    (left,) = [r for r in records if isinstance(r, TrialEnded) and r.state == "KILLED"]
    assert left.trial in {row.number for row in at_work.running}
    assert left.reason.endswith("the node of its workers has left the cluster")
    (back,) = [r for r in records if isinstance(r, TrialResumed)]
    assert back.trial == left.trial
    assert back.slot != left.reason.partition(":")[0]
    assert back.step >= 5, "it went on from its checkpoint"
    assert "4/4 trials done" in sweep.messages
    assert "5/4" not in sweep.messages
    assert "(raylet)" not in sweep.messages
    assert not (store / ".probes").exists()


def test_a_job_that_is_stopped_goes_on_when_it_is_submitted_again(nodes, store):
    own = ("search.trials=2", "search.concurrent=1")
    sweep = Submitted(nodes, store, "stopped", *own)
    sweep.wait_for(lambda state: any(row.step >= 10 for row in state.running))
    assert nodes.stop(sweep.job)
    assert sweep.end()["code"] == 130
    (row,) = [row for row in sweep.state.trials.values() if row.status == "KILLED"]
    assert "was stopped" in sweep.messages
    assert sweep.messages.count("To go on with it: ") == 1

    again = Submitted(nodes, store, "stopped", *own)
    found = again.end()
    assert found["code"] == 0, again.messages
    (back,) = [r for r in read_journal(again.journal) if isinstance(r, TrialResumed)]
    assert (back.trial, back.step) == (row.number, row.step)
    assert len(again.state.with_status("COMPLETED")) == 2
    assert again.job != sweep.job


def test_without_the_token_the_way_to_it_is_told(nodes, store, tmp_path):
    own, space = f"cluster.address={nodes.address}", "search_spaces/beta.yaml"
    words = arguments(store, "refused", own, space=space, small=False)
    environment = {
        key: value for key, value in nodes.environment.items() if not key.startswith("RAY_AUTH")
    }
    done = subprocess.run(
        words,
        cwd=ROOT,
        env={**environment, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 7
    assert "asks for its token: Authentication required: Unauthorized" in done.stderr
    assert "Put it into ~/.ray/auth_token here, mode 600" in done.stderr


def test_a_node_that_does_not_see_the_store_is_refused_by_name(nodes, store):
    if os.geteuid() or subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("a mount of a node's own needs root")
    elsewhere = f'mount -t tmpfs none {store} && exec "$@"'
    nodes.add(within=["unshare", "--mount", "sh", "-c", elsewhere, "sh"])
    sweep = Submitted(nodes, store, "blind", "search.trials=1", "search.concurrent=1")
    with sweep.process:
        sweep.process.communicate(timeout=PATIENCE_S)
    assert sweep.process.returncode == 2, sweep.messages
    assert "--store: must be a directory that every node of the cluster sees, and the node" in (
        sweep.messages
    )
    assert "/driver is not there; name one on a shared mount" in sweep.messages
    assert not sweep.state.trials
