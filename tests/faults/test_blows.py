from collections import Counter

from tests.faults.blows import RARE, plan_blows


def test_a_plan_of_blows_is_its_seeds():
    assert plan_blows(3, 600) == plan_blows(3, 600)
    assert plan_blows(3, 600) != plan_blows(4, 600)


def test_workers_are_struck_often_and_each_of_the_others_in_turn():
    blows = plan_blows(0, 1200)
    assert [blow.at_s for blow in blows] == sorted(blow.at_s for blow in blows)
    struck = Counter(blow.victim for blow in blows)
    assert 38 <= struck["worker"] <= 40
    rare = [blow.victim for blow in blows if blow.victim in RARE]
    assert 9 <= len(rare) <= 10
    assert set(rare[:4]) == set(rare[4:8]) == set(RARE)
    assert all(0 < blow.at_s <= 1200 for blow in blows)
    assert all(0 <= blow.pick < 1 for blow in blows)
