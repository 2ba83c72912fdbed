"""Who holds which slot: one at a time, and not after its death."""

import asyncio

import pytest

from dpo_ray.slots import leases as module
from dpo_ray.slots.leases import Leases


class Warm:
    """Stands for an actor that is warm at once; only its handle's form is Ray's."""

    @property
    def wait_warm(self):
        return self

    async def remote(self):
        return None


@pytest.fixture(autouse=True)
def warm_slots(monkeypatch):
    monkeypatch.setattr(module.ray, "get_actor", lambda name: Warm())


def run(conversation):
    return asyncio.run(asyncio.wait_for(conversation(Leases(["one", "two"])), 5))


def test_a_slot_has_one_holder_at_a_time():
    async def conversation(leases):
        found = [await leases.lease(1), await leases.lease(2)]
        third = asyncio.create_task(leases.lease(3))
        await asyncio.sleep(0.01)
        assert not third.done()
        await leases.release("two")
        return found, await third

    assert run(conversation) == (["one", "two"], "two")


def test_a_holder_that_died_is_asked_for_what_it_held():
    async def conversation(leases):
        await leases.lease(1)
        held = await leases.forsaken(1)
        await leases.release(held)
        await leases.lease(2)
        return held, await leases.lease(3), await leases.forsaken(1), await leases.forsaken(9)

    assert run(conversation) == ("one", "one", "", "")


def test_one_that_died_while_it_waited_swallows_no_slot():
    async def conversation(leases):
        await leases.lease(1), await leases.lease(2)
        dead = asyncio.create_task(leases.lease(3))
        alive = asyncio.create_task(leases.lease(4))
        await asyncio.sleep(0.01)
        assert await leases.forsaken(3) == ""
        await leases.release("one")
        return await dead, await alive

    assert run(conversation) == ("", "one")


def test_whoever_waits_is_told_that_the_pool_closes():
    async def conversation(leases):
        await leases.lease(1), await leases.lease(2)
        waiting = [asyncio.create_task(leases.lease(number)) for number in (3, 4)]
        await asyncio.sleep(0.01)
        await leases.close()
        return await asyncio.gather(*waiting)

    assert run(conversation) == ["", ""]
