"""A whole search over slots that rehearse: a real Tune, Optuna, pump, journal and console."""

import io
from collections import Counter

import pytest

from dpo_ray.errors import TooManyFailures
from dpo_ray.slots.rehearsal import RehearsalShape
from dpo_ray.tracking.console import SweepConsole

pytestmark = pytest.mark.slow


def test_a_rehearsed_sweep_goes_the_way_of_a_real_one(cluster, small_plan):
    from dpo_ray.search.rehearsal import rehearse

    whole = "search.scheduler.type=none"  # or a rung may stop a trial before it fails
    plan = small_plan("search.trials=12", "search.n_startup=3", whole, name="rehearsed")
    seen = io.StringIO()
    console = SweepConsole(plan.name, 12, seen)
    state = rehearse(plan, RehearsalShape(fails={3: 0.0, 5: 0.6}), console)
    rows = [state.trials[number] for number in range(12)]
    statuses = Counter(row.status for row in rows)
    assert [row.number for row in rows if row.status == "FAILED"] == [3, 5]
    assert statuses["COMPLETED"] == 10
    assert rows[0].is_control
    assert rows[0].params["beta"] == 0.1
    assert {row.origin for row in rows} >= {"control", "sampler"}
    assert {row.slot for row in rows} == {"rehearsed-slot-0", "rehearsed-slot-1"}
    assert not state.running
    assert "12/12 trials done" in seen.getvalue()


def test_a_rehearsed_sweep_ends_with_its_failures_as_a_real_one(cluster, small_plan):
    from dpo_ray.search.rehearsal import rehearse

    plan = small_plan("search.trials=8", "budget.failures=2", name="rehearsed-failing")
    with pytest.raises(TooManyFailures, match="fails as rehearsed"):
        rehearse(plan, RehearsalShape(fails=dict.fromkeys(range(8), 0.0)))
