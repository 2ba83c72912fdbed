"""Which version carries which alias."""

import pytest

from dpo_ray.tracking.champion import Registered, Version, challenges, promotion

OLD = Version("1", sweep="monday", began=100.0, source="/a")
NEW = Version("2", sweep="tuesday", began=200.0, source="/b")
FOREIGN = Version("3", sweep="", source="/somewhere")
LONGER = Version("4", sweep="monday", began=100.0, source="/c")


@pytest.mark.parametrize(
    ("aliases", "version", "expected"),
    [
        ({}, OLD, True),
        ({"challenger": "1"}, NEW, True),
        ({"challenger": "1"}, OLD, True),
        ({"challenger": "1"}, LONGER, True),  # the same sweep, extended
        ({"challenger": "2"}, OLD, False),  # an older sweep, mirrored again
        ({"challenger": "3"}, OLD, True),
    ],
)
def test_the_later_sweep_challenges(aliases, version, expected):
    registered = Registered([OLD, NEW, FOREIGN, LONGER], aliases)
    assert challenges(registered, version) == expected


def test_a_sweeps_latest_version_becomes_the_champion():
    registered = Registered([OLD, NEW, FOREIGN, LONGER], {"champion": "2"})
    moved = promotion(registered, "monday")
    assert (moved.version, moved.previous, moved.moves) == ("4", "2", True)
    assert not promotion(registered, "tuesday").moves
    assert promotion(registered, "sunday") is None


def test_the_first_champion_replaces_nobody():
    moved = promotion(Registered([OLD]), "monday")
    assert (moved.previous, moved.moves) == (None, True)


def test_the_same_files_are_the_same_version():
    registered = Registered([OLD, NEW])
    assert registered.same_as(Version("", sweep="monday", source="/b")) == NEW
    assert registered.same_as(Version("", sweep="monday", source="/z")) is None
