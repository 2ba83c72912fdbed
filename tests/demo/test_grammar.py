from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpo_ray.demo.grammar import openings, reviews
from dpo_ray.demo.pairs import mood
from dpo_ray.demo.vocabulary import (
    ADJECTIVES,
    CLOSINGS,
    REACTIONS,
    STRENGTHS,
    SUBJECTS,
    TIMES,
)

WITHOUT_MOOD = [
    *(word for subject in SUBJECTS for word in (*subject.things, *subject.parts)),
    *ADJECTIVES["neutral"],
    *CLOSINGS["neutral"],
    *TIMES,
    *STRENGTHS,
]


@given(st.integers())
def test_the_same_seed_gives_the_same_reviews_and_openings(seed):
    assert list(islice(reviews(seed), 20)) == list(islice(reviews(seed), 20))
    assert list(islice(openings(seed), 20)) == list(islice(openings(seed), 20))


def test_another_seed_gives_other_reviews():
    assert list(islice(reviews(0), 20)) != list(islice(reviews(1), 20))


def test_reviews_are_sentences():
    for review in islice(reviews(3), 500):
        assert review[0].isupper()
        assert review.endswith(".")
        assert "  " not in review


def test_an_opening_is_two_to_five_words_that_end_inside_a_sentence():
    drawn = list(islice(openings(3), 500))
    assert len(set(drawn)) == len(drawn)
    for opening in drawn:
        assert 2 <= len(opening.split()) <= 5
        assert opening[-1] not in ". "


@pytest.mark.parametrize("text", WITHOUT_MOOD)
def test_words_without_a_mood_leave_the_lexicon_unmoved(text):
    assert mood(text) == 0


@pytest.mark.parametrize("words", [ADJECTIVES, REACTIONS, CLOSINGS])
def test_words_with_a_mood_move_the_lexicon_their_way(words):
    assert all(mood(text) > 0.05 for text in words["positive"])
    assert all(mood(text) < -0.05 for text in words["negative"])
