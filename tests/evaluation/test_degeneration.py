"""Broken text shows in numbers."""

import pytest

from dpo_ray.evaluation.degeneration import mean, repetition


@pytest.mark.parametrize(
    ("ids", "share"),
    [
        ([], 0.0),
        ([1, 2], 0.0),  # too short for one 3-gram
        ([1, 2, 3, 4, 5], 0.0),
        ([1, 1, 1, 1, 1, 1], 0.75),  # four 3-grams, all alike
        ([1, 2, 3, 1, 2, 3], 0.25),  # 123 231 312 and 123 again
    ],
)
def test_repetition_is_the_share_of_3_grams_that_stood_before(ids, share):
    assert repetition(ids) == share


def test_the_length_of_the_grams_can_be_chosen():
    assert repetition([1, 2, 1, 2, 1], n=1) == pytest.approx(0.6)


def test_the_mean_of_nothing_is_0():
    assert mean([]) == 0.0
    assert mean([1.0, 2.0]) == 1.5
