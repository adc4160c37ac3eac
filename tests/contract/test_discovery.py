"""What discovery promises, with every registry: in memory, a real Redis, a real Consul."""

import math
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from hasten_runtime.discovery import announcement
from hasten_runtime.discovery.port import Instance, View
from tests.contract.harness import (
    SHORT_TTL_S,
    Harness,
    MemoryHarness,
    ServerHarness,
    Watcher,
    opened,
    worker,
)
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.integration,
    pytest.mark.usefixtures("patient_registries", "no_leaked_tasks"),
]


@pytest.fixture(params=["memory", "redis", "consul"])
async def harness(request: pytest.FixtureRequest, no_leaked_tasks: None) -> AsyncIterator[Harness]:
    """A registry that no test hurts."""
    del no_leaked_tasks  # named only to be torn down after this fixture
    fixture = {"redis": "redis_server", "consul": "consul_agent"}.get(request.param)
    harness = ServerHarness(request.getfixturevalue(fixture)) if fixture else MemoryHarness()
    async with opened(harness):
        yield harness


async def test_an_instance_is_seen_with_its_address_and_facts(harness: Harness) -> None:
    instance = Instance("worker", "w-1", "10.1.2.3:8001", {"pid": "42", "pool": "gpu"})
    await harness.discovery().register(instance)
    async with Watcher(harness.discovery()) as watcher:
        assert await watcher.sees("w-1") == View((instance,), fresh=True)


async def test_an_ipv6_address_comes_back_as_it_was(harness: Harness) -> None:
    await harness.discovery().register(Instance("worker", "w-1", "[::1]:8001"))
    async with Watcher(harness.discovery()) as watcher:
        assert (await watcher.sees("w-1")).instances[0].address == "[::1]:8001"


async def test_nobody_there_is_a_fresh_and_empty_view(harness: Harness) -> None:
    async with Watcher(harness.discovery()) as watcher:
        await watcher.sees()


async def test_joins_and_leaves_reach_a_watcher_that_waits(harness: Harness) -> None:
    here = harness.discovery()
    async with Watcher(harness.discovery()) as watcher:
        await watcher.sees()
        first = await here.register(worker("w-1"))
        await watcher.sees("w-1")
        second = await here.register(worker("w-2"))
        await watcher.sees("w-1", "w-2")
        await first.close()
        await watcher.sees("w-2")
        await second.close()
        await watcher.sees()
    assert all(view.fresh for view in watcher.views)


async def test_views_are_in_order_of_ids_whatever_the_order_of_joining(harness: Harness) -> None:
    here = harness.discovery()
    for name in ("w-3", "w-1", "w-20", "w-2"):
        await here.register(worker(name))
    async with Watcher(harness.discovery()) as watcher:
        await watcher.sees("w-1", "w-2", "w-20", "w-3")


async def test_services_do_not_mix(harness: Harness) -> None:
    here = harness.discovery()
    await here.register(worker("same-id"))
    await here.register(Instance("router", "same-id", "10.0.0.9:8001"))
    async with Watcher(here, "router") as routers, Watcher(here, "worker") as workers:
        assert (await routers.sees("same-id")).instances[0].address == "10.0.0.9:8001"
        assert (await workers.sees("same-id")).instances[0] == worker("same-id")


async def test_one_that_stops_renewing_vanishes_and_one_that_renews_stays(
    harness: Harness,
) -> None:
    await harness.discovery().register(worker("alive-1"))
    await harness.discovery().register(worker("alive-2"))
    async with Watcher(harness.discovery()) as watcher:
        await watcher.sees("alive-1", "alive-2")

        async def was_seen() -> bool:
            if not watcher.saw("dead"):  # Again, as this process may stand still for all its life.
                await harness.announce_once(worker("dead"), SHORT_TTL_S)
            return watcher.saw("dead")

        await eventually(was_seen)
        await watcher.sees("alive-1", "alive-2")
    assert all({"alive-1", "alive-2"} <= ids(view) for view in watcher.views)


def ids(view: View) -> set[str]:
    return {instance.instance_id for instance in view.instances}


async def test_new_facts_of_an_instance_are_a_change(harness: Harness) -> None:
    here = harness.discovery()
    first = await here.register(worker("w-1", pool="a"))
    async with Watcher(harness.discovery()) as watcher:
        await watcher.sees("w-1")
        await first.close()
        await here.register(worker("w-1", pool="b"))
        await eventually(
            lambda: watcher.ids == ["w-1"] and watcher.views[-1].instances[0].meta["pool"] == "b"
        )


async def test_an_instance_is_registered_once_at_a_time(harness: Harness) -> None:
    here = harness.discovery()
    registration = await here.register(worker("w-1"))
    with pytest.raises(ValueError, match="w-1"):
        await here.register(worker("w-1"))
    await registration.close()
    await here.register(worker("w-1"))


async def test_two_hundred_instances_fit_in_a_view(harness: Harness) -> None:
    # At the pace of the other tests they would make a thousand renewals a second.
    harness.renew_s = 10.0
    here = harness.discovery()
    names = [f"w-{number:03}" for number in range(200)]
    async with Watcher(harness.discovery()) as watcher:
        for name in names:
            await here.register(worker(name))
        await watcher.sees(*names)


async def test_two_watchers_see_the_same_and_one_may_leave(harness: Harness) -> None:
    here = harness.discovery()
    async with Watcher(here) as staying:
        async with Watcher(here) as leaving:
            await staying.sees()
            await leaving.sees()
        await harness.discovery().register(worker("w-1"))
        await staying.sees("w-1")
    assert leaving.ids == []


async def test_closing_the_discovery_withdraws_and_ends_the_watch(harness: Harness) -> None:
    here = harness.discovery()
    await here.register(worker("w-1"))
    async with Watcher(harness.discovery()) as outside, Watcher(here) as inside:
        await outside.sees("w-1")
        await inside.sees("w-1")
        await here.close()
        await here.close()
        await eventually(lambda: inside.ended)
        await outside.sees()


async def test_an_iterator_closed_in_the_middle_leaves_no_task(harness: Harness) -> None:
    here = harness.discovery()
    await here.register(worker("w-1"))
    views = here.watch("worker")
    assert (await anext(views)).fresh
    await views.aclose()  # type: ignore[attr-defined]  # an iterator with aclose, in truth
    assert here.age_s("worker") == math.inf


async def test_a_registration_closes_twice_without_harm(harness: Harness) -> None:
    registration = await harness.discovery().register(worker("w-1"))
    await registration.close()
    await registration.close()


async def test_the_age_is_infinite_before_the_first_answer_and_small_after(
    harness: Harness,
) -> None:
    here = harness.discovery()
    assert here.age_s("worker") == math.inf
    async with Watcher(here) as watcher:
        await watcher.sees()
        await eventually(lambda: here.age_s("worker") < 5.0)


async def test_two_that_share_an_id_are_named_in_both_logs(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[tuple[str, str]] = []

    class Log:
        def error(self, event: str, *, address: str, other: str, **_: str) -> None:
            assert event == "discovery.id_shared"
            said.append((address, other))

    monkeypatch.setattr(announcement, "_log", Log())
    one, other = worker("w-1"), replace(worker("w-1"), address="127.0.0.1:9999")
    await harness.discovery().register(one)
    assert said == []
    await harness.discovery().register(other)
    await eventually(lambda: len(said) == 2)
    assert set(said) == {(one.address, other.address), (other.address, one.address)}
