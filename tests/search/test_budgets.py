"""What a budget allows, and what a sweep's own journal says it has used of it."""

import math

import pytest

from dpo_ray.config.budget import BudgetConfig
from dpo_ray.config.confirm import ConfirmConfig
from dpo_ray.config.sweep import SweepConfig
from dpo_ray.search.budgets import (
    Expected,
    Spent,
    confirmation_seconds,
    is_spent,
    may_start,
    seconds_left,
    spent_sentence,
)
from dpo_ray.search.meter import Meter
from dpo_ray.tracking.records import (
    RungReached,
    SlotsOpened,
    SweepPlanned,
    SweepResumed,
    TrainMetrics,
    TrialEnded,
    TrialStarted,
)
from dpo_ray.tracking.state import SweepState, fold

HOUR = BudgetConfig(hours=1.0, grace_minutes=5)


@pytest.mark.parametrize(
    ("budget", "spent", "left"),
    [
        (BudgetConfig(), Spent(1e9, 1e9, 8), math.inf),
        (HOUR, Spent(600, 0, 0), 3000),
        (BudgetConfig(gpu_hours=8), Spent(600, 4800, 8), 3000),
        (BudgetConfig(gpu_hours=8), Spent(600, 0, 0), math.inf),
        (BudgetConfig(hours=1, gpu_hours=8), Spent(3000, 4800, 8), 600),
    ],
)
def test_the_nearer_limit_is_what_is_left(budget, spent, left):
    assert seconds_left(budget, spent) == left


@pytest.mark.parametrize(
    ("left_s", "trial_s", "confirm_s", "allowed"),
    [
        (1000, None, 0, True),  # nothing is known yet
        (1000, 1300, 0, True),  # ends within the grace of 300 s
        (1000, 1301, 0, False),
        (1000, 100, 900, True),
        (1000, 100, 1000, False),  # what is left is the confirmation's
        (-1, 10, 0, False),  # the grace is there to end in, not to begin in
        (math.inf, 1e9, 1e9, True),
    ],
)
def test_a_trial_starts_only_if_it_ends_in_time(left_s, trial_s, confirm_s, allowed):
    assert may_start(HOUR, left_s, Expected(trial_s, confirm_s)) is allowed


def test_the_grace_ends_what_still_runs():
    assert not is_spent(HOUR, -299)
    assert is_spent(HOUR, -300)
    assert is_spent(HOUR, 100, reserved_s=400)
    assert not is_spent(HOUR, math.inf, reserved_s=1e9)


def test_a_confirmation_costs_its_trainings_in_turns_on_the_slots():
    assert confirmation_seconds(ConfirmConfig(top=3, seeds=3), 10.0, slots=2) == 60
    assert confirmation_seconds(ConfirmConfig(top=2, seeds=3), 10.0, slots=2) == 50
    assert confirmation_seconds(None, 10.0, slots=2) == 0
    assert confirmation_seconds(ConfirmConfig(), None, slots=2) == 0


def test_people_read_what_was_spent_of_what():
    both = BudgetConfig(hours=2, gpu_hours=8)
    said = spent_sentence(both, Spent(3600, 7200, 1))
    assert said == "1 of budget.hours=2 and 2 of budget.gpu_hours=8"


def planned(time):
    return SweepPlanned(name="s", plan={}, host="h", pid=1, versions={}, time=time)


def started(trial, time):
    return TrialStarted(
        trial=trial, params={}, origin="control", slot="s", folder="/f", total_steps=60, time=time
    )


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def meter(clock, past=None, **budget):
    sweep = SweepConfig.model_validate({"budget": budget, "confirm": {"top": 1, "seeds": 2}})
    return Meter(sweep, past or SweepState(), slots=2, clock=clock)


def test_a_trials_length_is_guessed_from_its_pace_and_then_known(clock):
    made = meter(clock, hours=60 / 3600, grace_minutes=0)
    made(started(0, 1000.0))
    assert made.may_start()
    made(TrainMetrics(trial=0, step=30, metrics={}, time=1010.0))  # 20 s a trial, 40 s confirming
    assert made.may_start()
    clock.now = 1001.0
    assert not made.may_start()
    known = meter(clock, hours=60 / 3600, grace_minutes=0)
    known(started(0, 1001.0))
    known(RungReached(trial=0, step=30, fraction=0.5, metrics={}, time=1011.0))
    known(
        TrialEnded(trial=0, state="COMPLETED", reason="", step=60, seconds=10.0, time=1012.0)
    )  # 10 s a trial after all
    assert known.may_start()


def test_a_no_stands(clock):
    made = meter(clock, hours=1.0)
    clock.now += 3700
    assert not made.may_start()
    clock.now -= 3700
    assert not made.may_start()
    assert made.search_spent


def test_the_search_is_cancelled_before_the_confirmations_part_is_gone(clock):
    made = meter(clock, hours=100 / 3600, grace_minutes=0)
    made(started(0, 1000.0))
    made(TrialEnded(trial=0, state="COMPLETED", reason="", step=60, seconds=20.0, time=1020.0))
    clock.now = 1059.0  # 40 s for the confirmation
    assert not made.search_is_over()
    clock.now = 1061.0
    assert made.search_is_over()
    assert not made.all_is_over()
    clock.now = 1101.0
    assert made.all_is_over()


def test_earlier_runs_count_and_what_lies_between_them_does_not(clock):
    past = fold(
        [
            planned(0.0),
            SlotsOpened(slots=2, workers=1, gpus=2.0, time=10.0),
            started(0, 20.0),
            TrainMetrics(trial=0, step=5, metrics={}, time=100.0),
            SweepResumed(plan={}, host="h", pid=2, versions={}, time=900.0),
            SlotsOpened(slots=2, workers=1, gpus=2.0, time=910.0),
            TrainMetrics(trial=0, step=6, metrics={}, time=950.0),
        ]
    )
    assert past.seconds == 150
    assert past.gpu_seconds == 2 * 90 + 2 * 40
    made = meter(clock, past, hours=1.0)
    made(SlotsOpened(slots=2, workers=1, gpus=2.0, time=1005.0))
    clock.now = 1010.0
    assert made.spent() == Spent(160.0, 260.0 + 10.0, 2.0)
