"""What a policy is compared by."""

import pytest

from dpo_ray.tracking.results import compared_key, result_metrics, score_key

EVALUATION = {
    "eval/win_rate": 0.7,
    "eval/win_rate_low": 0.6,
    "eval/win_rate_high": 0.8,
    "eval/kl": 3.0,
    "eval/accuracy": 0.9,
    "eval/repetition": 0.1,
}


def test_the_objective_its_interval_and_kl():
    assert result_metrics(EVALUATION, [{"metric": "accuracy"}]) == {
        "result/accuracy": 0.9,
        "result/win_rate": 0.7,
        "result/win_rate_low": 0.6,
        "result/win_rate_high": 0.8,
        "result/kl": 3.0,
    }


def test_a_penalty_moves_the_interval_along():
    penalized = {"metric": "win_rate", "penalty": {"budget": 1.0, "weight": 0.1}}
    found = result_metrics(EVALUATION, [penalized])
    ends = [found[f"result/objective{end}"] for end in ("_low", "", "_high")]
    assert ends == pytest.approx([0.4, 0.5, 0.6])
    assert (score_key([penalized]), compared_key([penalized])) == (
        "result/objective",
        "result/win_rate",
    )


def test_what_was_not_measured_or_is_not_finite_is_left_out():
    broken = {"eval/win_rate": float("nan"), "eval/kl": 1.0}
    assert result_metrics(broken, [{"metric": "win_rate"}]) == {"result/kl": 1.0}
