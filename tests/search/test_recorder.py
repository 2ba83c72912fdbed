"""Rungs and verdicts in the journal, whatever becomes of the slot they are meant for."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from ray.tune.experiment import Trial

from dpo_ray.search.recorder import FORSAKEN, Recorder
from dpo_ray.search.tune_keys import PROPOSAL
from dpo_ray.tracking.journal import Journal, read_journal
from dpo_ray.tracking.records import SweepPlanned, TrialStarted


@dataclass
class Slot:
    """Notes what is decided; only the handle's form is Ray's."""

    told: list[tuple[int, str]] = field(default_factory=list)

    @property
    def decide(self):
        return SimpleNamespace(remote=lambda *said: self.told.append(said))


class Pump:
    """One that is never behind."""

    def wait_for(self, slot, events, timeout_s):
        return True


@pytest.fixture
def journal(tmp_path):
    opened = Journal.create(tmp_path / "journal.jsonl")
    opened.append(SweepPlanned(name="x", plan={}, host="h", pid=1, versions={}))
    facts = {"params": {}, "origin": "control", "folder": "/t", "total_steps": 60}
    opened.append(TrialStarted(trial=3, slot="one", **facts))
    yield opened
    opened.close()


def recorder(journal, slots, forsaken=None):
    found = SimpleNamespace(reason="r", spared=False)
    scheduler = SimpleNamespace(decisions={3: found})
    told = [] if forsaken is None else forsaken
    return Recorder(journal, slots, Pump(), scheduler, lambda *each: told.append(each))


TRIAL = Trial("proxy", stub=True, config={PROPOSAL: {"trial": 3}})
RUNG = {
    "slot": "one",
    "events": 2,
    "job_id": 7,
    "step": 15,
    "fraction": 0.25,
    "metrics": (("eval/win_rate", 0.6),),
    "done": False,
}


@pytest.mark.parametrize(("done", "verdict"), [(False, "continue"), (True, "stop")])
def test_a_verdict_is_sent_once_it_stands_in_the_journal(journal, done, verdict):
    slot = Slot()
    recorder(journal, {"one": slot}).on_trial_result(1, [], TRIAL, RUNG | {"done": done})
    *_, reached, decided = read_journal(journal.path)
    assert (reached.metrics, decided.action) == ({"eval/win_rate": 0.6}, verdict)
    assert slot.told == [(7, verdict)]


def test_a_slot_that_died_meanwhile_costs_neither_rung_nor_verdict(journal):
    recorder(journal, {}).on_trial_result(1, [], TRIAL, RUNG)
    assert [r.kind for r in read_journal(journal.path)[-2:]] == ["rung", "decision"]


def test_a_failed_trial_is_looked_after_by_number(journal):
    forsaken = []
    recorder(journal, {}, forsaken).on_trial_error(1, [], TRIAL)
    assert forsaken == [(3, FORSAKEN)]
