"""An evaluation says now and then that it is alive."""

from functools import partial

import torch

from dpo_ray.training import at_rungs
from dpo_ray.training.signs import signs_of_life
from dpo_ray.training.trial import run_trial
from tests.training.conftest import InProcessMailbox


class PolledMailbox(InProcessMailbox):
    polls = 0

    def poll(self, job_id):
        self.polls += 1
        return super().poll(job_id)


def test_a_model_that_computes_is_a_sign_of_life_until_it_is_through():
    model, told = torch.nn.Linear(1, 1), []
    for every_s, signs in [(0.0, 2), (3600.0, 0)]:
        told.clear()
        with signs_of_life(model, lambda: told.append(1), every_s):
            model(torch.zeros(1))
            model(torch.zeros(1))
        model(torch.zeros(1))
        assert len(told) == signs


def test_a_long_evaluation_is_no_silence_and_its_numbers_stay(
    make_job, desk, tmp_path, monkeypatch
):
    quiet, talkative = PolledMailbox(), PolledMailbox()
    run_trial(make_job(tmp_path / "a"), 1, desk, quiet)
    monkeypatch.setattr(at_rungs, "signs_of_life", partial(signs_of_life, every_s=0.0))
    run_trial(make_job(tmp_path / "b"), 1, desk, talkative)
    # Each token of each batch of answers is one.
    assert talkative.polls > quiet.polls + 2 * 12
    assert talkative.rungs == quiet.rungs
