"""Signs of over-optimisation: said with the numbers that show them, and only then."""

from dpo_ray.tracking.flags import flags, uneven
from dpo_ray.tracking.records import RungReached

HEALTHY = {
    "eval/kl": 1.0, "eval/win_rate": 0.7, "eval/gold_reward": 0.2, "eval/logratio/chosen": 1.0,
    "eval/displacement/both_falling": 0.1, "eval/length_ratio": 1.0,
}  # fmt: skip


def rungs(*changes):
    return [
        RungReached(trial=0, step=15 * (place + 1), fraction=1.0, metrics=HEALTHY | each)
        for place, each in enumerate(changes)
    ]


def test_a_healthy_trial_has_no_flag():
    assert flags(rungs({}, {"eval/kl": 3.0, "eval/win_rate": 0.8, "eval/gold_reward": 0.3})) == []
    assert flags([]) == []
    assert flags(rungs({})) == []


def test_kl_that_buys_nothing_is_named_with_both_numbers():
    (said,) = flags(rungs({}, {"eval/kl": 4.0, "eval/win_rate": 0.65, "eval/gold_reward": 0.3}))
    assert said == (
        "KL rose from 1.00 to 4.00 nats between steps 15 and 30 while win rate went from 0.70 "
        "to 0.65"
    )


def test_the_latest_pair_of_checkpoints_is_the_one_that_is_named():
    later = {"eval/kl": 9.0, "eval/win_rate": 0.6, "eval/gold_reward": 0.1}
    (said,) = flags(rungs({}, {"eval/kl": 4.0, "eval/win_rate": 0.65}, later))
    assert "between steps 30 and 45 while win rate went from 0.65 to 0.60 and gold reward" in said


def test_a_small_rise_of_kl_is_no_sign():
    assert flags(rungs({}, {"eval/kl": 1.2, "eval/win_rate": 0.6})) == []


def test_chosen_answers_that_lose_probability_are_named():
    falling = {"eval/logratio/chosen": -3.0, "eval/displacement/both_falling": 0.8}
    (said,) = flags(rungs({}, falling))
    assert said.startswith("chosen answers lose probability: l(y_w) is -3.00 nats at step 30")
    assert "in 80% of pairs both answers fall" in said
    assert flags(rungs({}, {**falling, "eval/displacement/both_falling": 0.4})) == []


def test_growing_answers_are_named():
    (said,) = flags(rungs({}, {"eval/length_ratio": 1.2}, {"eval/length_ratio": 1.9}))
    assert said == "answers grow: 1.00 times the reference's length at step 15, 1.90 at step 45"
    assert flags(rungs({"eval/length_ratio": 2.0}, {"eval/length_ratio": 1.5})) == []


def test_a_reference_that_beats_itself_is_a_warning():
    unfair = {"eval/win_rate": 0.6, "eval/win_rate_low": 0.52, "eval/win_rate_high": 0.68}
    (said,) = uneven(unfair)
    assert said.startswith("Warning: the reference does not draw with a second sample of itself")
    assert "0.60 [0.52, 0.68]" in said
    assert uneven(unfair | {"eval/win_rate_low": 0.49}) == []
    assert uneven({}) == []
