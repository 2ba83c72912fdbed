"""Short words stay short and keep three digits."""

import math

import pytest

from dpo_ray.tracking.state import fold
from dpo_ray.tracking.wording import duration, number, plain, run_name, with_interval


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1324, "0.132"),
        (0.0018, "1.8e-3"),
        (0.0018349, "1.83e-3"),
        (5e-06, "5e-6"),
        (12345.6, "1.23e4"),
        (16, "16"),
        (0.0, "0"),
        (-0.25, "-0.25"),
        ("sigmoid", "sigmoid"),
        (True, "True"),
        (math.nan, "nan"),
    ],
)
def test_numbers_have_three_digits(value, text):
    assert number(value) == text


def test_a_run_is_named_after_what_is_searched(example):
    assert run_name(fold(example).trials[4]) == "t04 beta=0.182 lr=3.71e-3 r=16"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (41.6, "42 s"), (59.7, "1 min 00 s"), (185, "3 min 05 s"), (7620, "2 h 07 min")],
)
def test_durations_read_like_speech(seconds, text):
    assert duration(seconds) == text


def test_a_metric_is_shown_with_its_interval_where_it_has_one():
    metrics = {"eval/win_rate": 0.714, "eval/win_rate_low": 0.63, "eval/win_rate_high": 0.79}
    assert with_interval(metrics, "win_rate") == "0.71 [0.63, 0.79]"
    assert with_interval({"eval/kl": 0.5}, "kl") == "0.50"
    assert with_interval({}, "kl") == plain({}, "kl") == "-"
