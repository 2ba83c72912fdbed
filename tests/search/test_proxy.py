"""Tune's stand-in for a trial holds a slot from its first step to its end, and no longer."""

from dataclasses import dataclass, replace

import pytest
import ray

from dpo_ray.search.proxy import ProxyTrial, objective_results
from dpo_ray.search.tune_keys import PROPOSAL, SEEN
from dpo_ray.slots.events import Turn
from dpo_ray.slots.leases import Leases
from dpo_ray.training.jobs import Outcome

WIN = {"metric": "win_rate", "direction": "maximize"}
KL = {"metric": "kl", "direction": "minimize"}


@dataclass(frozen=True)
class Job:
    """All a proxy asks of a job; a template has no number yet."""

    trial: int = -1
    resume: bool = False
    seen_rung: int = -1

    def configured(self, trial, params, origin):
        return replace(self, trial=trial)


@ray.remote(num_cpus=0)
class Slot:
    """A slot that notes its jobs and ends each with one rung and an outcome."""

    def __init__(self, state):
        self._jobs, self._turns = [], []
        self._state = state

    def start(self, job):
        self._jobs.append(job)
        self._turns = [
            Turn(step=15, fraction=0.25, metrics={"eval/win_rate": 0.6}, events=3, outcome=None),
            Turn(events=4, outcome=Outcome(self._state, "said")),
        ]
        return len(self._jobs)

    def next_turn(self):
        return self._turns.pop(0)

    def wait_idle(self):
        return None

    def wait_warm(self):
        return None

    def jobs(self):
        return self._jobs


@pytest.fixture
def slot_of(cluster, request):
    """Make a pool of one slot; yields what a proxy's configuration names."""
    made = []

    def make(state="COMPLETED"):
        name = f"proxy-{request.node.name}"
        slot = Slot.options(name=name).remote(state)
        leases = ray.remote(num_cpus=0)(Leases).options(name=f"{name}-leases").remote([name])
        made.extend([slot, leases])
        return slot, leases, f"{name}-leases"

    yield make
    for actor in made:
        ray.kill(actor)


def configuration(leases, trial):
    proposal = {"trial": trial, "params": {}, "origin": "control"}
    return {"template": Job(), "leases": leases, "objectives": [WIN], PROPOSAL: proposal}


def test_an_actor_that_tune_throws_away_unused_has_begun_nothing(slot_of):
    slot, leases, name = slot_of()
    ProxyTrial(configuration(name, 7)).stop()
    assert ray.get(slot.jobs.remote()) == []
    assert ray.get(leases.lease.remote(99), timeout=10)


def test_a_trial_begins_with_its_first_step_and_leaves_with_its_last(slot_of):
    slot, leases, name = slot_of()
    proxy = ProxyTrial(configuration(name, 7))
    rung = proxy.train()
    assert (rung["objective"], rung["step"], rung["events"]) == (0.6, 15, 3)
    assert proxy.train()["done"]
    assert ray.get(slot.jobs.remote()) == [Job(7)]
    assert ray.get(leases.lease.remote(99), timeout=10)


def test_the_same_actor_goes_on_with_the_next_trial(slot_of):
    slot, _, name = slot_of()
    proxy = ProxyTrial(configuration(name, 7))
    proxy.train(), proxy.train()
    assert proxy.reset(configuration(name, 8))
    assert ray.get(slot.jobs.remote()) == [Job(7)]
    proxy.train()
    assert ray.get(slot.jobs.remote()) == [Job(7), Job(8)]


def test_a_trial_that_goes_on_tells_its_slot_what_is_known(slot_of):
    slot, _, name = slot_of()
    proxy = ProxyTrial(configuration(name, 7) | {SEEN: {"resume": True, "seen_rung": 15}})
    proxy.train(), proxy.train()
    assert ray.get(slot.jobs.remote()) == [Job(7, resume=True, seen_rung=15)]


def test_a_failed_trial_raises_and_gives_its_slot_back(slot_of):
    _, leases, name = slot_of("FAILED")
    proxy = ProxyTrial(configuration(name, 7))
    proxy.train()
    with pytest.raises(RuntimeError, match="said"):
        proxy.train()
    assert ray.get(leases.lease.remote(99), timeout=10)


def test_objectives_are_found_under_their_own_keys():
    metrics = {"eval/win_rate": 0.6, "eval/kl": 2.0}
    assert objective_results(metrics, [WIN]) == {"objective": 0.6}
    assert objective_results(metrics, [WIN, KL]) == {"objective": 0.6, "second_objective": 2.0}
    penalty = WIN | {"penalty": {"metric": "kl", "budget": 1.0, "weight": 0.1}}
    found = objective_results(metrics, [penalty])
    assert found == pytest.approx({"objective": 0.5, "eval/objective": 0.5})
    assert objective_results({}, [WIN]) == {}
    assert objective_results(metrics | {"eval/kl": float("nan")}, [WIN, KL]) == {}
