"""A crontab line means what cron means, and a change of the clock costs or doubles no night."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dpo_ray.config.schedule import ScheduleConfig
from dpo_ray.nightly.ticks import read, ticks_after, ticks_between, written


def at(*parts):
    return datetime(*parts, tzinfo=UTC)


def first(cron, zone, moment, count):
    ticks = ticks_after(ScheduleConfig(cron=cron, timezone=zone), moment)
    return [next(ticks) for _ in range(count)]


def test_a_night_is_at_its_zones_own_hour():
    assert first("30 2 * * *", "Europe/Berlin", at(2026, 11, 26), 2) == [
        at(2026, 11, 26, 1, 30),
        at(2026, 11, 27, 1, 30),
    ]


def test_the_hour_that_is_left_out_is_made_up_for_once():
    # On 29 March 2026 the clock goes from 2:00 to 3:00, so half past two is half past three.
    assert first("30 2 * * *", "Europe/Berlin", at(2026, 3, 28, 12), 3) == [
        at(2026, 3, 29, 1, 30),
        at(2026, 3, 30, 0, 30),
        at(2026, 3, 31, 0, 30),
    ]


def test_the_hour_that_comes_twice_counts_once():
    # On 25 October 2026 the clock goes from 3:00 back to 2:00.
    assert first("30 2 * * *", "Europe/Berlin", at(2026, 10, 24, 12), 3) == [
        at(2026, 10, 25, 0, 30),
        at(2026, 10, 26, 1, 30),
        at(2026, 10, 27, 1, 30),
    ]


def test_looked_at_between_the_two_the_second_one_is_none():
    later = at(2026, 10, 25, 1, 0)
    assert first("30 2 * * *", "Europe/Berlin", later, 1) == [at(2026, 10, 26, 1, 30)]


@pytest.mark.parametrize(
    ("weekdays", "days"),
    [
        ("0", "6"),
        ("7", "6"),
        ("1-5", "01234"),
        ("5-7", "456"),
        ("fri-mon", "4560"),
        ("*/2", "6135"),
    ],
)
def test_weekdays_are_numbered_from_sunday(weekdays, days):
    found = first(f"0 3 * * {weekdays}", "Etc/UTC", at(2026, 11, 1), 14)
    assert {str(tick.weekday()) for tick in found} == set(days)


def test_what_was_missed_in_between():
    schedule = ScheduleConfig(cron="30 2 * * *")
    missed = ticks_between(schedule, at(2026, 11, 20, 2, 30), at(2026, 11, 25, 2, 30))
    assert [tick.day for tick in missed] == [21, 22, 23, 24, 25]


ZONES = ("Etc/UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia")
MOMENTS = st.datetimes(datetime(2011, 1, 1), datetime(2030, 1, 1))


@given(MOMENTS, st.sampled_from(ZONES), st.integers(0, 23), st.integers(0, 59))
def test_ticks_rise_and_every_day_has_one(moment, zone, hour, minute):
    found = first(f"{minute} {hour} * * *", zone, moment.replace(tzinfo=UTC), 5)
    assert found[0] > moment.replace(tzinfo=UTC)
    gaps = [later - earlier for earlier, later in pairwise(found)]
    # Apia left out a whole day in 2011.
    assert all(timedelta(hours=22) <= gap <= timedelta(hours=26) for gap in gaps) or zone.endswith(
        "Apia"
    )


@given(MOMENTS, st.sampled_from(ZONES))
def test_where_one_looks_from_changes_no_tick(moment, zone):
    schedule = ScheduleConfig(cron="*/20 1-3 * * *", timezone=zone)
    ticks = ticks_after(schedule, moment.replace(tzinfo=UTC))
    one, two, three = next(ticks), next(ticks), next(ticks)
    assert ticks_between(schedule, one, three) == [two, three]


@given(MOMENTS)
def test_a_tick_is_read_as_it_was_written(moment):
    tick = moment.replace(tzinfo=UTC, microsecond=0)
    assert read(written(tick)) == tick


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"cron": "30 2 * *"}, "must have five fields"),
        ({"cron": "61 2 * * *"}, "must be a crontab line"),
        ({"cron": "30 2 1 * 1"}, r"must leave day or weekday \*"),
        ({"cron": "30 2 * * 8"}, "weekday must be 0 to 7"),
        ({"cron": "30 2 * * *", "timezone": "Europe/Atlantis"}, "IANA time zones"),
        ({"cron": "30 2 * * *", "timezone": "../etc/passwd"}, "IANA time zones"),
    ],
)
def test_what_is_no_time_is_refused(settings, words):
    with pytest.raises(ValidationError, match=words):
        ScheduleConfig(**settings)
