"""At most one night is caught up, none runs twice, and every tick that runs nothing is told."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpo_ray.config.schedule import ScheduleConfig
from dpo_ray.nightly.deciding import CALLED_BY_OTHERS, Decision, decide, overlapped
from dpo_ray.nightly.ledger import Memory, Night, NightBegan, NightEnded, TickDropped, Watched

NIGHTLY = ScheduleConfig(cron="30 2 * * *")


def day(number, hour=2, minute=30):
    return datetime(2026, 11, number, hour, minute, tzinfo=UTC)


START = day(1)


def memory(*done, since=START):
    nights = {tick: Night(tick, began=1.0, ended=2.0) for tick in done}
    return Memory(since=since.timestamp(), nights=nights)


def test_a_tick_on_time_runs_and_no_earlier_one():
    assert decide(NIGHTLY, memory(day(5)), day(6, 2, 31)).run == day(6)
    assert decide(NIGHTLY, memory(day(5)), day(6, 2, 29)).run is None


def test_a_scheduler_that_never_watched_has_missed_nothing():
    assert decide(NIGHTLY, Memory(), day(6, 12)).run is None


def test_of_five_missed_nights_the_latest_is_caught_up():
    decision = decide(NIGHTLY, memory(day(5)), day(10, 9))
    assert decision.run == day(10)
    assert [tick for tick, _ in decision.dropped] == [day(6), day(7), day(8), day(9)]


def test_or_none_of_them():
    none = NIGHTLY.model_copy(update={"catch_up": "none"})
    decision = decide(none, memory(day(5)), day(10, 9, 30))
    assert decision.run is None
    assert [tick for tick, _ in decision.dropped] == [day(number) for number in range(6, 11)]
    assert decision.dropped[-1][1] == "missed by 7 hours, and schedule.catch_up is none"


def test_an_interrupted_night_goes_on_unless_a_later_one_is_due():
    known = memory(day(4))
    known.nights[day(5)] = Night(day(5), began=1.0)
    assert decide(NIGHTLY, known, day(5, 12)).run == day(5)
    later = decide(NIGHTLY, known, day(6, 2, 31))
    assert later == Decision(day(6), ((day(5), "interrupted, and a later one is due"),))


def test_a_night_whose_place_was_taken_does_not_come_back():
    known = memory(day(4))
    known.apply(NightBegan(time=1.0, tick=day(5), sweep="n-5", command=["x"]))
    for tick, reason in decide(NIGHTLY, known, day(6, 2, 31)).dropped:
        known.apply(TickDropped(time=2.0, tick=tick, reason=reason))
    known.apply(NightBegan(time=2.0, tick=day(6), sweep="n-6", command=["x"]))
    known.apply(NightEnded(time=3.0, tick=day(6), exit_code=0, reason="done"))
    assert decide(NIGHTLY, known, day(6, 12)) == Decision(None)


def test_a_call_that_comes_late_by_a_clusters_start_is_no_missed_tick():
    none = NIGHTLY.model_copy(update={"catch_up": "none"})
    assert decide(none, memory(day(5)), day(6, 2, 50)).run is None
    assert decide(none, memory(day(5)), day(6, 2, 50), CALLED_BY_OTHERS).run == day(6)


def test_ticks_during_a_long_night_are_dropped():
    known = memory(day(4))
    known.nights[day(5)] = Night(day(5), began=1.0)
    assert overlapped(NIGHTLY, known, day(7, 3), day(5)) == (
        (day(6), "the night of 20261105T0230Z was still running"),
        (day(7), "the night of 20261105T0230Z was still running"),
    )


@pytest.mark.parametrize("back", [timedelta(hours=1), timedelta(days=3)])
def test_a_clock_set_back_runs_nothing_again(back):
    assert decide(NIGHTLY, memory(day(5)), day(5, 3) - back).run is None


@given(
    st.lists(st.timedeltas(timedelta(minutes=-90), timedelta(days=4)), max_size=30),
    st.sampled_from(["latest", "none"]),
    st.sampled_from(["30 2 * * *", "0 */6 * * *", "15 3 * * 1-5"]),
)
def test_whenever_one_looks_no_tick_is_dealt_with_twice_and_none_is_forgotten(
    steps, catch_up, cron
):
    schedule = ScheduleConfig(cron=cron, timezone="Europe/Berlin", catch_up=catch_up)
    now = start = datetime(2026, 3, 20, tzinfo=UTC)
    known, dealt = memory(since=start), []
    for step in steps:
        now += step
        decision = decide(schedule, known, now)
        ticks = [tick for tick, _ in decision.dropped] + [decision.run] * bool(decision.run)
        for tick in ticks:
            known.nights[tick] = Night(tick, began=1.0, ended=2.0)
        dealt += ticks
    from dpo_ray.nightly.ticks import ticks_between

    assert dealt == sorted(set(dealt))
    latest = max([start, *dealt])
    assert dealt == ticks_between(schedule, start, latest)


def test_a_memory_is_what_its_entries_say():
    tick = day(5)
    known = Memory()
    for entry in (
        Watched(time=10.0, pid=1),
        Watched(time=20.0, pid=2),
        NightBegan(time=30.0, tick=tick, sweep="n-1", command=["x"]),
        NightBegan(time=40.0, tick=tick, sweep="n-1", command=["x"]),
        NightEnded(time=50.0, tick=tick, exit_code=0, reason="done"),
        TickDropped(time=60.0, tick=day(6), reason="late"),
    ):
        known.apply(entry)
    assert known.since == 10.0
    assert known.latest == day(6)
    assert (known.nights[tick].began, known.nights[tick].ended) == (30.0, 50.0)
    assert not known.nights[tick].is_open
    assert known.nights[day(6)].dropped
