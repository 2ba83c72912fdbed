"""Slots without a place: waited for as long as was said, and then the search ends."""

import pytest

from dpo_ray.config.budget import BudgetConfig
from dpo_ray.errors import ClusterUnreachable
from dpo_ray.search.progress import Progress
from dpo_ray.search.room import RoomWatch
from dpo_ray.slots.events import Cold, Warm

LEFT = Cold("slot-0: the node of its workers has left the cluster")


class Watch:
    """A room watch of 2 minutes, with its clock and what it told."""

    def __init__(self):
        self.now, self.told = 0.0, []
        self.room = RoomWatch(2.0, lambda: "2 asked, 0 there", self.told.append, lambda: self.now)
        self.progress = Progress(BudgetConfig(), self.room)

    def after(self, minutes):
        self.now += 60 * minutes
        return self.progress.reason()


@pytest.fixture
def watch():
    return Watch()


def test_a_cluster_that_never_has_room_ends_the_search_naming_asked_and_available(watch):
    assert watch.after(1.9) is None
    error = watch.after(0.2)
    assert isinstance(error, ClusterUnreachable)
    assert str(error) == (
        "no slot has had a place for 2 minutes (cluster.wait_minutes): 2 asked, 0 there"
    )


def test_one_warm_slot_is_enough(watch):
    watch.room("slot-1", Warm())
    assert watch.after(60) is None
    assert watch.told == []


def test_a_slot_that_was_lost_may_come_back(watch):
    watch.room("slot-0", Warm())
    watch.room("slot-0", LEFT)
    assert watch.after(1.5) is None
    watch.room("slot-0", Warm())
    assert watch.after(60) is None
    assert watch.told == [
        "slot-0: the node of its workers has left the cluster; what it did goes on in another "
        "slot, or here when it is back",
        "slot-0 is back",
    ]


def test_time_counts_from_the_loss_of_the_last_slot(watch):
    watch.room("slot-0", Warm())
    watch.room("slot-1", Warm())
    watch.room("slot-0", LEFT)
    assert watch.after(60) is None
    watch.room("slot-1", LEFT)
    assert watch.after(1.9) is None
    assert watch.after(0.2) is not None
