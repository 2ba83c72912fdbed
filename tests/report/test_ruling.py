import re

import numpy as np
import pytest

from dpo_ray.evaluation.duel import Duel, rule
from dpo_ray.report.ruling import Asked, ruling_metrics, ruling_sentence
from dpo_ray.tracking.records import ChampionCompared

ASKED = Asked(prompts=300, draws=3)


def answers(share, seed):
    return (np.random.default_rng(seed).random((3, 300)) < share).astype(float)


def compared(version="3"):
    return ChampionCompared(
        model="nightly", version=version, trial=4, step=60, metric="win_rate",
        promoted=False, reason="",
    )  # fmt: skip


def said(duel, version="3", problem="", min_gain=0.0):
    return ruling_sentence(rule(duel, min_gain, 0.05), compared(version), ASKED, problem)


def test_every_ruling_says_who_was_compared_by_how_much_on_what():
    gain = r"[+-][0-9.]+ points \[[+-][0-9.]+, [+-][0-9.]+\] on 300 unseen prompts, 3 draws of each"
    better = said(Duel(answers(0.8, 1), answers(0.5, 2), 0.5))
    worse = said(Duel(answers(0.5, 1), answers(0.8, 2), 0.5))
    level = said(Duel(answers(0.6, 1), answers(0.6, 2), 0.5), min_gain=0.02)
    assert better.startswith("t04 beats the champion, version 3, by +")
    assert worse.startswith("t04 is clearly worse than the champion, version 3: -")
    assert level.startswith("version 3 stays the champion: the gain of t04, ")
    assert level.endswith(", is not clearly above 2.0 points")
    for sentence in (better, worse, level):
        assert re.search(gain, sentence), sentence


@pytest.mark.parametrize(
    ("share", "first"),
    [(0.8, "t04 is the first champion: win_rate 0."), (0.5, "there is still no champion: t04 has")],
)
def test_of_an_empty_place_the_reference_is_the_mark(share, first):
    sentence = said(Duel(answers(share, 1), None, 0.5), version=None)
    assert sentence.startswith(first)
    assert "clearly above the reference's 0.5" in sentence


def test_a_policy_beyond_a_limit_is_refused_with_the_limit():
    sentence = said(Duel(None, None, 0.5), problem="degenerate: repetition 0.61 > 0.3")
    assert sentence == (
        "the alias stays where it is: t04 failed on 300 unseen prompts, 3 draws of each: "
        "degenerate: repetition 0.61 > 0.3"
    )


def test_what_was_measured_has_its_intervals():
    found = ruling_metrics(rule(Duel(answers(0.8, 1), answers(0.5, 2), 0.5), 0.0, 0.0))
    names = {f"champion/{who}{end}" for who in ("challenger", "champion", "gain")
             for end in ("", "_low", "_high")}  # fmt: skip
    assert set(found) == names
    assert found["champion/gain_low"] < found["champion/gain"] < found["champion/gain_high"]
