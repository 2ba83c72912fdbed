"""Broken text shows in numbers."""

import pytest

from dpo_ray.config.evaluation import LimitsConfig
from dpo_ray.evaluation.degeneration import broken, distinct, mean, repetition, signs
from dpo_ray.evaluation.sampling import Sample

REFERENCE = {"repetition": 0.02, "distinct_2": 0.4, "eos_rate": 0.9, "length": 20.0}
SOUND = {**REFERENCE, "kl": 6.0}


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


def test_distinct_counts_over_all_completions_together():
    assert distinct([[1, 2, 3], [1, 2, 3]]) == 0.5
    assert distinct([[1, 2, 3], [4, 5, 6]]) == 1.0
    assert distinct([[1], []]) == 0.0


def test_signs_of_two_completions():
    found = signs([Sample([1, 1, 1, 1], "", ended=False), Sample([5, 2], "", ended=True)])
    assert found == {
        "repetition": 0.25,
        "distinct_2": 0.5,  # 11 11 11 and 52
        "eos_rate": 0.5,
        "truncated": 0.5,
        "length": 3.0,
    }


def test_sound_text_breaks_no_limit():
    assert broken(SOUND, REFERENCE, LimitsConfig(max_kl=7.0)) is None


@pytest.mark.parametrize(
    ("changed", "limits", "words"),
    [
        (
            {"repetition": 0.5},
            {},
            "repetition is 0.48 above the reference's; the largest allowed is "
            "evaluation.limits.max_repetition=0.3",
        ),
        (
            {"distinct_2": 0.1},
            {},
            "distinct_2 0.10 is 0.25 times the reference's; the smallest allowed is "
            "evaluation.limits.min_distinct=0.5",
        ),
        ({"eos_rate": 0.2}, {}, "eos_rate 0.20 is 0.22 times the reference's; the smallest"),
        ({"length": 3.0, "kl": 1.0}, {}, "length 3.00 is 0.15 times the reference's; the smallest"),
        ({"length": 120.0}, {}, "length 120.00 is 6.00 times the reference's; the largest"),
        ({"kl": 15.0}, {}, "KL is 0.75 nats a token from the reference; the largest allowed is "),
        ({"kl": 8.0}, {"max_kl": 7.5}, "KL is 8 nats from the reference; the largest allowed is "),
    ],
)
def test_a_broken_limit_is_said_with_value_and_bound(changed, limits, words):
    said = broken({**SOUND, **changed}, REFERENCE, LimitsConfig(**limits))
    assert said is not None
    assert said.startswith(words)
    everything_off = dict.fromkeys(LimitsConfig.model_fields)
    assert broken({**SOUND, **changed}, REFERENCE, LimitsConfig(**everything_off)) is None


def test_a_reference_that_never_ends_asks_for_no_ends():
    never = {**REFERENCE, "eos_rate": 0.0}
    assert broken({**SOUND, "eos_rate": 0.0}, never, LimitsConfig()) is None
