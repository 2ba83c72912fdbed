import warnings

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from dpo_ray.config.parameters import (
    CategoricalParameter,
    FloatParameter,
    IntParameter,
    Parameter,
    contains,
)
from dpo_ray.config.space import SearchSpace

numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
small_integers = st.integers(-1000, 1000)


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"low": 0.5, "high": 0.1}, "low <= high must hold, got low=0.5 and high=0.1"),
        ({"low": 0.0, "high": 1.0, "log": True}, "a logarithmic range needs low > 0, got 0.0"),
        (
            {"low": 1.0, "high": 2.0, "log": True, "step": 0.5},
            "a logarithmic range of floats cannot have a step",
        ),
        (
            {"low": 0.1, "high": 0.5, "step": 0.3},
            "high must be low plus a multiple of step, got low=0.1, high=0.5, step=0.3",
        ),
    ],
)
def test_a_float_range_keeps_the_rules_of_optuna(values, rule):
    with pytest.raises(ValidationError) as refusal:
        FloatParameter(type="float", **values)
    assert refusal.value.errors()[0]["msg"] == rule


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"low": 8, "high": 2}, "low <= high must hold, got low=8 and high=2"),
        ({"low": 0, "high": 8, "log": True}, "a logarithmic range needs low > 0, got 0"),
        (
            {"low": 1, "high": 9, "log": True, "step": 2},
            "a logarithmic range of whole numbers has step 1",
        ),
        (
            {"low": 2, "high": 9, "step": 2},
            "high must be low plus a multiple of step, got low=2, high=9, step=2",
        ),
    ],
)
def test_an_int_range_keeps_the_rules_of_optuna(values, rule):
    with pytest.raises(ValidationError) as refusal:
        IntParameter(type="int", **values)
    assert refusal.value.errors()[0]["msg"] == rule


@given(numbers, numbers, st.booleans(), st.none() | numbers)
def test_optuna_takes_every_accepted_float_range_unchanged(low, high, log, step):
    try:
        range_ = FloatParameter(type="float", low=low, high=high, log=log, step=step)
    except ValidationError:
        return
    with warnings.catch_warnings(action="error"):
        taken = optuna.distributions.FloatDistribution(low, high, log=log, step=step)
    assert (taken.low, taken.high) == (range_.low, range_.high)


@given(small_integers, small_integers, st.booleans(), st.integers(-2, 50))
def test_optuna_takes_every_accepted_int_range_unchanged(low, high, log, step):
    try:
        range_ = IntParameter(type="int", low=low, high=high, log=log, step=step)
    except ValidationError:
        return
    with warnings.catch_warnings(action="error"):
        taken = optuna.distributions.IntDistribution(low, high, log=log, step=step)
    assert (taken.low, taken.high) == (range_.low, range_.high)


@given(numbers, st.floats(0.001, 10.0), st.integers(0, 40))
def test_a_grid_contains_exactly_its_points(low, step, points):
    low, step = round(low % 100, 3), round(step, 3)
    high = float(f"{low + points * step:.3f}")
    grid = FloatParameter(type="float", low=low, high=high, step=step)
    assert contains(grid, float(f"{low + points // 2 * step:.3f}"))
    assert not contains(grid, low + step / 3)
    assert not contains(grid, high + step)


@pytest.mark.parametrize("choices", [[1, 1], [8, 8.0], ["a", "b", "a"]])
def test_choices_differ(choices):
    with pytest.raises(ValidationError, match="choices must differ"):
        CategoricalParameter(type="categorical", choices=choices)


@pytest.mark.parametrize(
    "values",
    [
        {"type": "categorical", "choices": []},
        {"type": "float", "low": float("nan"), "high": 1.0},
        {"type": "float", "low": 0.0, "high": float("inf")},
        {"type": "float", "low": "0.1", "high": 1.0},
        {"type": "float", "low": True, "high": 1.0},
        {"type": "int", "low": 1.0, "high": 2},
        {"type": "int", "low": 1, "high": 2, "relative": True},
        {"low": 0.0, "high": 1.0},
    ],
)
def test_a_parameter_is_not_corrected(values):
    with pytest.raises(ValidationError):
        TypeAdapter(Parameter).validate_python(values)


def test_a_space_searches_something():
    with pytest.raises(ValidationError):
        SearchSpace(parameters={})
