import math
from itertools import pairwise

import pytest

from dpo_ray.config.grid import MAX_POINTS, grid, values_of
from dpo_ray.config.parameters import (
    CategoricalParameter,
    FloatParameter,
    IntParameter,
    contains,
)
from dpo_ray.config.space import SearchSpace

TREE = SearchSpace.model_validate(
    {
        "parameters": {
            "loss_type": {"type": "categorical", "choices": ["sigmoid", "robust", "ipo"]},
            "beta": [
                {
                    "type": "float",
                    "low": 0.1,
                    "high": 0.5,
                    "when": {"loss_type": ["sigmoid", "robust"]},
                },
                {"type": "float", "low": 1.0, "high": 4.0, "when": {"loss_type": ["ipo"]}},
            ],
            "label_smoothing": {
                "type": "categorical",
                "choices": [0.1, 0.2],
                "when": {"loss_type": ["robust"]},
            },
            "lora_rank": {"type": "categorical", "choices": [4, 8]},
            "lora_alpha": {"type": "tied", "to": "lora_rank", "times": 2.0},
        }
    }
)


@pytest.mark.parametrize(
    ("parameter", "values"),
    [
        (CategoricalParameter(choices=["a", 2, True]), ["a", 2, True]),
        (IntParameter(low=2, high=8, step=3), [2, 5, 8]),
        (IntParameter(low=3, high=3), [3]),
        (FloatParameter(low=0.1, high=0.4, step=0.1), [0.1, 0.2, 0.3, 0.4]),
        (FloatParameter(low=0.1, high=0.5), [0.1, 0.3, 0.5]),
        (FloatParameter(low=0.01, high=1.0, log=True), [0.01, 0.1, 1.0]),
        (IntParameter(low=2, high=32, log=True), [2, 8, 32]),
        (IntParameter(low=1, high=2, log=True), [1, 2]),
        (FloatParameter(low=0.3, high=0.3), [0.3]),
    ],
)
def test_a_range_gives_its_steps_or_three_points_from_end_to_end(parameter, values):
    assert values_of(parameter, 3) == values
    assert all(contains(parameter, value) for value in values)


def test_points_of_an_awkward_log_range_stay_inside_it():
    awkward = FloatParameter(low=1.2345678901, high=1.2345678999, log=True)
    assert all(contains(awkward, value) for value in values_of(awkward, 7))


def test_each_branch_is_enumerated_with_its_own_parameters():
    points = grid(TREE, 3, seed=0)
    assert len(points) == 3 * 2 + 3 * 2 * 2 + 3 * 2  # sigmoid, robust, ipo
    assert len({tuple(sorted(point.items())) for point in points}) == len(points)
    for point in points:
        assert ("label_smoothing" in point) == (point["loss_type"] == "robust")
        assert (point["beta"] >= 1.0) == (point["loss_type"] == "ipo")
        assert point["lora_alpha"] == 2 * point["lora_rank"]


def test_a_grid_that_is_cut_off_is_spread():
    points = grid(TREE, 3, seed=0)
    assert {point["loss_type"] for point in points[:8]} == {"sigmoid", "robust", "ipo"}
    assert points == grid(TREE, 3, seed=0)
    assert points != grid(TREE, 3, seed=1)


def test_a_grid_too_large_to_list_is_refused_before_it_fills_the_memory():
    wide = {"type": "int", "low": 1, "high": 10**9}
    space = SearchSpace.model_validate({"parameters": {"lora_rank": wide, "lora_alpha": wide}})
    with pytest.raises(ValueError, match=f"more than {MAX_POINTS:,} points"):
        grid(space, 3, seed=0)


def test_log_points_are_a_constant_factor_apart():
    values = values_of(FloatParameter(low=5e-4, high=1e-2, log=True), 5)
    factors = [later / earlier for earlier, later in pairwise(values)]
    assert factors == pytest.approx([math.pow(20, 0.25)] * 4, rel=1e-4)
