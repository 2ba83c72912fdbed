"""Whether early rungs foretell the end, measured over trials that no rung had selected."""

import pytest

from dpo_ray.tracking.foretelling import foretelling, foretelling_sentence
from dpo_ray.tracking.records import (
    RungDecided,
    RungReached,
    SweepPlanned,
    TrialEnded,
    TrialStarted,
)
from dpo_ray.tracking.state import fold


def sweep(values, spared=lambda trial: True, metric="win_rate"):
    """Trials by what they had at a quarter, at a half and at the end."""
    better = "minimize" if metric == "kl" else "maximize"
    plan = {"sweep": {"objective": [{"metric": metric, "direction": better}]}}
    records = [SweepPlanned(name="s", plan=plan, host="h", pid=1, versions={})]
    for trial, rungs in enumerate(values):
        records.append(
            TrialStarted(
                trial=trial, params={}, origin="sampler", slot="s", folder="/f", total_steps=60
            )
        )
        for fraction, value in zip((0.25, 0.5, 1.0), rungs, strict=True):
            step, metrics = round(60 * fraction), {f"eval/{metric}": value}
            records += [
                RungReached(trial=trial, step=step, fraction=fraction, metrics=metrics),
                RungDecided(
                    trial=trial, step=step, action="continue", reason="", spared=spared(trial)
                ),
            ]
        records.append(TrialEnded(trial=trial, state="COMPLETED", reason="", step=60, seconds=1.0))
    return fold(records)


def test_equal_orders_have_tau_one_and_reversed_ones_minus_one():
    state = sweep([(0.1, 0.4, 0.1), (0.2, 0.3, 0.2), (0.3, 0.2, 0.3), (0.4, 0.1, 0.4)])
    early, later = foretelling(state)
    assert (early.fraction, early.tau, early.trials) == (0.25, pytest.approx(1), 4)
    assert (later.fraction, later.tau) == (0.5, pytest.approx(-1))
    assert foretelling_sentence(state) == (
        "Do early rungs foretell the final ranking? Kendall tau over 4 trials that ran to the end "
        "unselected: 1.00 at 25% (p 0.083), -1.00 at 50% (p 0.083) of the steps."
    )


def test_a_pair_in_the_other_order_costs_its_share():
    state = sweep([(0.2, 0, 0.1), (0.1, 0, 0.2), (0.3, 0, 0.3), (0.4, 0, 0.4)])
    # 5 of the 6 pairs agree; at the second rung all are alike and nothing can be said.
    (only,) = foretelling(state)
    assert only.tau == pytest.approx((5 - 1) / 6)


def test_what_is_minimised_is_ranked_the_same_way():
    values = [(0.1, 0.1, 0.4), (0.2, 0.2, 0.3), (0.3, 0.3, 0.2), (0.4, 0.4, 0.1)]
    assert foretelling(sweep(values, metric="kl"))[0].tau == pytest.approx(-1)


def test_trials_that_a_rung_had_selected_are_left_out():
    values = [(x, x, x) for x in (0.1, 0.2, 0.3, 0.4, 0.5)]
    assert foretelling(sweep(values, spared=lambda trial: trial != 4))[0].trials == 4
    assert foretelling(sweep(values, spared=lambda trial: trial < 3)) == []
    assert foretelling_sentence(sweep(values[:3])) is None
