"""What discovery promises when the registry dies, hangs and forgets."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.harness import (
    SETTLE_S,
    TTL_S,
    Harness,
    MemoryHarness,
    ServerHarness,
    Watcher,
    opened,
    worker,
)
from tests.support.processes import ChildProcess
from tests.support.servers import RedisServer
from tests.support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_leaked_tasks")]


@pytest.fixture(params=["memory", "redis", "consul"])
async def harness(request: pytest.FixtureRequest, no_leaked_tasks: None) -> AsyncIterator[Harness]:
    """A registry of this test alone."""
    del no_leaked_tasks  # named only to be torn down after this fixture
    fixture = {"redis": "own_redis_server", "consul": "own_consul_agent"}.get(request.param)
    harness = ServerHarness(request.getfixturevalue(fixture)) if fixture else MemoryHarness()
    async with opened(harness):
        yield harness


def never_lost(watcher: Watcher, *names: str) -> bool:
    """After they were all seen once, no view lacked any of them."""
    seen = [{i.instance_id for i in view.instances} for view in watcher.views]
    first = next(number for number, view in enumerate(seen) if set(names) <= view)
    return all(set(names) <= view for view in seen[first:])


async def test_what_is_known_stays_when_the_registry_is_killed_and_is_fresh_after_its_return(
    harness: Harness,
) -> None:
    await harness.discovery().register(worker("w-1"))
    await harness.discovery().register(worker("w-2"))
    watching = harness.discovery()
    async with Watcher(watching) as watcher:
        await watcher.sees("w-1", "w-2")
        await harness.kill()
        await watcher.sees("w-1", "w-2", fresh=False)
        await eventually(lambda: watching.age_s("worker") > 0.5)
        await harness.start_empty()
        await watcher.sees("w-1", "w-2", fresh=True)
        assert never_lost(watcher, "w-1", "w-2")
        await eventually(lambda: watching.age_s("worker") < 5.0)


async def test_what_is_known_stays_when_the_registry_hangs(harness: Harness) -> None:
    await harness.discovery().register(worker("w-1"))
    async with Watcher(harness.discovery()) as watcher:
        await watcher.sees("w-1")
        await harness.pause()
        await watcher.sees("w-1", fresh=False)
        await harness.resume()
        await watcher.sees("w-1", fresh=True)
        assert never_lost(watcher, "w-1")


async def test_one_that_died_during_the_outage_leaves_a_while_after_it(harness: Harness) -> None:
    harness.settle_s = SETTLE_S
    await harness.discovery().register(worker("alive"))
    await harness.announce_once(worker("dead"), TTL_S)
    async with Watcher(harness.discovery()) as watcher:
        await watcher.sees("alive", "dead")
        await harness.kill()
        await watcher.sees("alive", "dead", fresh=False)
        await harness.start_empty()
        await watcher.sees("alive", fresh=True)
        assert never_lost(watcher, "alive")


async def test_a_registry_that_is_dead_at_the_start_is_no_error(harness: Harness) -> None:
    await harness.kill()
    here = harness.discovery()
    await here.register(worker("w-1"))
    async with Watcher(here) as watcher:
        await watcher.sees(fresh=False)
        await harness.start_empty()
        await watcher.sees("w-1", fresh=True)


async def test_closing_with_a_dead_registry_does_not_raise(harness: Harness) -> None:
    here = harness.discovery()
    registration = await here.register(worker("w-1"))
    async with Watcher(here) as watcher:
        await watcher.sees("w-1")
        await harness.kill()
        await registration.close()
        await here.close()
        await eventually(lambda: watcher.ended)


async def test_closing_with_a_hanging_registry_ends(harness: Harness) -> None:
    here = harness.discovery()
    await here.register(worker("w-1"))
    async with Watcher(here) as watcher:
        await watcher.sees("w-1")
        await harness.pause()
        async with asyncio.timeout(60):
            await here.close()
    await harness.resume()


async def test_a_registry_that_forgets_in_a_moment_empties_no_view(
    own_redis_server: RedisServer,
) -> None:
    names = ("w-1", "w-2", "w-3")
    async with opened(ServerHarness(own_redis_server)) as harness:
        here = harness.discovery()
        for name in names:
            await here.register(worker(name))
        async with Watcher(harness.discovery()) as watcher:
            await watcher.sees(*names)
            for _ in range(5):
                own_redis_server.command("FLUSHALL")
                await watcher.sees(*names)
            assert never_lost(watcher, *names)


KILLED_PROCESS = """
import asyncio, sys
from hasten_runtime.discovery import Instance, open_discovery
from hasten_runtime.settings import DiscoverySettings

async def main():
    settings = DiscoverySettings(kind=sys.argv[1], address=sys.argv[2], lease_s=1.0)
    await open_discovery(settings).register(Instance("worker", "process", "127.0.0.1:1"))
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_process_killed_or_stopped_vanishes_and_a_resumed_one_returns(
    harness: Harness, tmp_path: Path
) -> None:
    if not isinstance(harness, ServerHarness):
        return  # the board in memory is known to one process only
    harness.settle_s = SETTLE_S
    kind = "redis" if isinstance(harness.server, RedisServer) else "consul"
    child = ChildProcess(
        [sys.executable, "-c", KILLED_PROCESS, kind, harness.server.address],
        log_path=tmp_path / "log",
    )
    try:
        async with Watcher(harness.discovery()) as watcher:
            await watcher.sees("process")
            child.pause()
            await watcher.sees()
            child.resume()
            await watcher.sees("process")
            child.kill()
            await watcher.sees()
    finally:
        if child.exit_status is None:
            child.kill()
