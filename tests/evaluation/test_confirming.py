"""Who is recommended, and when nobody is."""

import numpy as np
import pytest

from dpo_ray.evaluation.confirming import Trained, champion, prompts_needed, standings
from dpo_ray.evaluation.paired import Estimate

PROMPTS = 400


def candidate(rate, *, kl=1.0, default=False, failed=0, search=None, seeds=(7, 8, 9), draw=0):
    rng = np.random.default_rng(draw)
    quality = (rng.uniform(size=(len(seeds), PROMPTS)) < rate).astype(float)
    metrics = [{"kl": kl, "win_rate": float(row.mean())} for row in quality]
    return Trained(default, quality, seeds, metrics, failed, search)


def test_the_better_configuration_is_found_and_its_search_score_was_too_high():
    field = [candidate(0.75, search=0.8), candidate(0.55, default=True, draw=1)]
    found = standings(field)
    assert champion(field, found) == 0
    lead = found[0].lead
    assert lead is not None
    assert lead.low < 0.2 < lead.high
    assert lead.p < 1e-6
    assert found[0].optimism == pytest.approx(0.8 - field[0].quality.mean())
    assert found[1].lead is None


def test_equals_have_no_champion():
    field = [*(candidate(0.6, draw=draw) for draw in (1, 2, 3)), candidate(0.6, default=True)]
    assert champion(field, standings(field)) is None


def test_among_those_within_one_standard_error_the_lowest_kl_is_taken():
    far, near = candidate(0.8, kl=9.0), candidate(0.8, kl=2.0, draw=2)
    weak, default = candidate(0.7, kl=1.0, draw=3), candidate(0.5, default=True, draw=4)
    field = [far, near, weak, default]
    assert abs(far.quality.mean() - near.quality.mean()) < 0.015
    assert champion(field, standings(field)) == 1


def test_a_candidate_that_broke_on_one_seed_is_not_recommended():
    field = [candidate(0.8, failed=1, seeds=(7, 8)), candidate(0.5, default=True, draw=1)]
    found = standings(field)
    assert found[0].lead is not None
    assert found[0].lead.low > 0
    assert champion(field, found) is None


def test_comparisons_use_the_seeds_that_both_have():
    ours = candidate(0.8, seeds=(7, 9))
    theirs = candidate(0.5, default=True, draw=1)
    (standing, _) = standings([ours, theirs])
    expected = ours.quality.mean() - theirs.quality[[0, 2]].mean()
    assert standing.lead is not None
    assert standing.lead.value == pytest.approx(expected)


def test_more_comparisons_make_each_interval_wider():
    strong, default = candidate(0.65), candidate(0.5, default=True, draw=9)
    others = [candidate(0.5, draw=draw) for draw in range(1, 5)]
    alone, among = (
        standings([strong, default])[0].lead,
        standings([strong, *others, default])[0].lead,
    )
    assert alone is not None
    assert among is not None
    assert among.high - among.low > alone.high - alone.low
    assert among.p == pytest.approx(min(1, 5 * alone.p))


def test_without_a_default_nothing_is_compared():
    gone = Trained(True, np.empty((0, 0)), (), [], failed=3, search=None)
    field = [candidate(0.9), gone]
    found = standings(field)
    assert found[0].lead is None
    assert found[1].mean is None
    assert champion(field, found) is None


def test_four_times_the_prompts_halve_the_interval():
    assert prompts_needed(Estimate(0.02, -0.02, 0.06, 0.02, 0.3), 400) == 1600
    assert prompts_needed(Estimate(-0.01, -0.05, 0.03, 0.02, 0.6), 400) is None
