import numpy as np
import pytest

from dpo_ray.evaluation.duel import Duel, rule


def answers(share, seed, draws=3, prompts=300):
    """Wins and losses against the reference, a share of them won."""
    return (np.random.default_rng(seed).random((draws, prompts)) < share).astype(float)


def test_what_is_clearly_better_takes_the_place():
    ruling = rule(Duel(answers(0.8, 1), answers(0.5, 2), 0.5), 0.0, 0.0)
    assert ruling.promoted
    assert not ruling.regressed
    assert ruling.gain.low > 0
    assert ruling.gain.value == pytest.approx(ruling.challenger.value - ruling.champion.value)


def test_the_gain_must_clearly_exceed_the_least_one():
    duel = Duel(answers(0.8, 1), answers(0.5, 2), 0.5)
    gain = rule(duel, 0.0, 0.0).gain
    assert not rule(duel, gain.low, 0.0).promoted
    assert rule(duel, gain.low - 1e-9, 0.0).promoted


def test_the_same_answers_are_no_gain():
    ruling = rule(Duel(answers(0.7, 1), answers(0.7, 1), 0.5), 0.0, 0.0)
    assert (ruling.promoted, ruling.regressed, ruling.gain.value) == (False, False, 0.0)


def test_what_is_clearly_worse_is_a_regression():
    ruling = rule(Duel(answers(0.5, 1), answers(0.8, 2), 0.5), 0.0, 0.0)
    assert ruling.regressed
    assert not ruling.promoted


def test_a_loss_that_is_borne_is_none():
    duel = Duel(answers(0.5, 1), answers(0.8, 2), 0.5)
    gain = rule(duel, 0.0, 0.0).gain
    assert not rule(duel, 0.0, -gain.high).regressed
    assert rule(duel, 0.0, -gain.high - 1e-9).regressed


def test_an_empty_place_is_taken_by_what_is_clearly_better_than_the_reference():
    assert rule(Duel(answers(0.8, 1), None, 0.5), 0.3, 0.0).promoted
    level = rule(Duel(answers(0.5, 1), None, 0.5), 0.0, 0.0)
    assert not level.promoted
    assert level.needed == 0.5
    assert level.gain is None


def test_a_policy_beyond_a_limit_takes_no_place_even_an_empty_one():
    for champion in (None, answers(0.2, 2)):
        ruling = rule(Duel(None, champion, 0.5), 0.0, 0.0)
        assert (ruling.promoted, ruling.regressed) == (False, False)


def test_prompts_that_one_of_them_was_not_judged_on_do_not_count():
    ours, theirs = answers(0.8, 1), answers(0.5, 2)
    theirs[0, :100] = np.nan
    assert rule(Duel(ours, theirs, 0.5), 0.0, 0.0).gain.value == pytest.approx(
        (ours - theirs)[:, 100:].mean()
    )
