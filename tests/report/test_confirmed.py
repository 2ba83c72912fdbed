"""The one sentence a confirmation ends with."""

import numpy as np
import pytest

from dpo_ray.evaluation.confirming import Standing, Trained
from dpo_ray.evaluation.paired import Estimate
from dpo_ray.report.confirmed import confirmed_metrics, verdict_sentence
from dpo_ray.tracking.records import Candidate, ConfirmationPlanned

PARAMS = {"beta": 0.31, "learning_rate": 1.8e-3, "lora_rank": 8}
MEAN = Estimate(0.67, 0.64, 0.70, 0.015, 0.0)
LEAD = Estimate(0.061, 0.032, 0.09, 0.015, 0.001)


def planned(step=60, params=PARAMS):
    tried = Candidate(
        trial=4, step=step, fraction=step / 60, total_steps=60, params=params, is_default=False,
        metrics={},
    )  # fmt: skip
    default = tried.model_copy(update={"trial": 0, "is_default": True, "step": 60})
    return ConfirmationPlanned(
        candidates=[tried, default], seeds=[1, 2, 3], prompts=400, reference={}
    )


def trained(failed=0, default=False):
    return Trained(default, np.ones((3, 4)), (1, 2, 3), [{"kl": 2.0}] * 3, failed, None)


def sentence(lead, optimism=0.034, best=0, metric="win_rate", step=60, failed=0):
    found = [Standing(MEAN, 0.01, lead, optimism), Standing(MEAN, 0.01, None, None)]
    tried = [trained(failed), trained(default=True)]
    return verdict_sentence(planned(step), tried, found, best, metric)


def test_a_winner_in_one_sentence():
    assert sentence(LEAD) == (
        "beta 0.31, learning_rate 1.8e-3, lora_rank 8 beats the default by 6.1 +- 2.9 points on "
        "400 unseen prompts and 3 fresh seeds; the search score was 3.4 points too high"
    )
    assert "lora_rank 8, stopped at step 30 of 60 beats" in sentence(LEAD, step=30)
    assert sentence(LEAD, optimism=-0.01).endswith("the search score was 1.0 points too low")
    assert "beats the default by 0.061 +- 0.029 gold_reward" in sentence(LEAD, metric="gold_reward")


@pytest.mark.parametrize(
    ("lead", "words"),
    [
        (Estimate(0.013, -0.016, 0.042, 0.015, 0.4), "differs by 1.3 +- 2.9 points"),
        (Estimate(0.013, -0.016, 0.042, 0.015, 0.4), "; about 2,000 prompts would be needed"),
        (Estimate(0.0001, -0.03, 0.03, 0.015, 0.9), "; more than 100,000 prompts would be needed"),
        (Estimate(-0.01, -0.04, 0.02, 0.015, 0.5), "on 400 unseen prompts and 3 fresh seeds"),
        (
            Estimate(-0.1, -0.13, -0.07, 0.015, 0.0),
            "the default configuration is better than every",
        ),
    ],
)
def test_no_winner_in_one_sentence(lead, words):
    said = sentence(lead, best=None)
    assert words in said
    assert ("needed" in said) == (lead.value > 0)


def test_what_breaks_is_not_recommended():
    assert "but 1 of its 3 trainings failed" in sentence(LEAD, best=None, failed=1)


def test_the_journal_gets_means_intervals_and_the_lead():
    metrics = confirmed_metrics(trained(failed=1), Standing(MEAN, 0.01, LEAD, 0.03), "win_rate")
    assert metrics == {
        "confirm/kl": 2.0, "confirm/seeds": 3.0, "confirm/failed_seeds": 1.0,
        "confirm/win_rate": 0.67, "confirm/win_rate_low": 0.64, "confirm/win_rate_high": 0.70,
        "confirm/seed_spread": 0.01, "confirm/optimism": 0.03,
        "confirm/against_default": 0.061, "confirm/against_default_low": 0.032,
        "confirm/against_default_high": 0.09, "confirm/against_default_p": 0.001,
    }  # fmt: skip
