"""What schedulers know of each other: in memory and in a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.redis_store.peers import RedisPeers
from hasten_runtime.tasks.peers import MemoryBoard, MemoryPeers, Peers
from tests.support.servers import RedisServer
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.integration,
    pytest.mark.usefixtures("patient_redis", "no_leaked_tasks"),
]

LONG_S = 60.0
SHORT_S = 0.2

Open = Callable[[], Peers]


@pytest.fixture(params=["memory", "redis"])
async def peers_of(request: pytest.FixtureRequest, no_leaked_tasks: None) -> AsyncIterator[Open]:
    """Opens one process's access to the store that all share."""
    del no_leaked_tasks  # named only to be torn down after this fixture
    opened: list[Peers] = []
    board = MemoryBoard()

    def peers() -> Peers:
        if request.param == "redis":
            server: RedisServer = request.getfixturevalue("redis_server")
            opened.append(RedisPeers(server.url))
        else:
            opened.append(MemoryPeers(board))
        return opened[-1]

    yield peers
    for each in opened:
        await each.close()


async def test_who_is_announced_is_present_until_he_withdraws(peers_of: Open) -> None:
    one, other = peers_of(), peers_of()
    assert await one.present() == set()
    await one.announce("a", b"", ttl_s=LONG_S)
    await other.announce("b", b"1,2", ttl_s=LONG_S)
    assert await one.present() == await other.present() == {"a", "b"}
    await one.withdraw("a")
    await one.withdraw("a")
    assert await other.present() == {"b"}


async def test_who_does_not_announce_himself_again_is_not_present_for_long(peers_of: Open) -> None:
    peers = peers_of()
    await peers.announce("a", b"", ttl_s=SHORT_S)
    await peers.announce("b", b"", ttl_s=LONG_S)

    async def gone() -> bool:
        return await peers.present() == {"b"}

    await eventually(gone)


@pytest.mark.parametrize("what", ["comes", "has news", "leaves"])
async def test_who_waits_hears_of_who_comes_has_news_or_leaves(peers_of: Open, what: str) -> None:
    one, other = peers_of(), peers_of()
    await one.announce("a", b"1", ttl_s=LONG_S)
    # The first wait returns at once: what came before is seen by asking.
    await other.changed(LONG_S)
    waiting = asyncio.create_task(other.changed(LONG_S))
    # The same again is no news.
    await one.announce("a", b"1", ttl_s=LONG_S)
    if what == "comes":
        await one.announce("c", b"", ttl_s=LONG_S)
    elif what == "has news":
        await one.announce("a", b"1,2", ttl_s=LONG_S)
    else:
        await one.withdraw("a")
    async with asyncio.timeout(LONG_S):
        await waiting


async def test_what_happens_between_two_waits_ends_the_second(peers_of: Open) -> None:
    one, other = peers_of(), peers_of()
    await other.changed(LONG_S)
    await one.announce("a", b"", ttl_s=LONG_S)
    async with asyncio.timeout(LONG_S):
        await other.changed(LONG_S)


async def test_a_wait_ends_by_itself(peers_of: Open) -> None:
    peers = peers_of()
    await peers.changed(SHORT_S)
    async with asyncio.timeout(LONG_S):
        await peers.changed(SHORT_S)


async def test_a_store_that_is_gone_is_told_and_waited_for_no_longer_than_it_takes(
    own_redis_server: RedisServer,
) -> None:
    board = MemoryBoard()
    real, fake = RedisPeers(own_redis_server.url), MemoryPeers(board)
    await real.changed(LONG_S)
    await asyncio.to_thread(own_redis_server.kill)
    board.available = False
    for peers in (real, fake):
        with pytest.raises(StoreUnavailable):
            await peers.announce("a", b"", ttl_s=LONG_S)
        with pytest.raises(StoreUnavailable):
            await peers.withdraw("a")
        with pytest.raises(StoreUnavailable):
            await peers.present()

    async def told() -> bool:
        # It may return for what came before.
        try:
            await real.changed(LONG_S)
        except StoreUnavailable:
            return True
        return False

    await eventually(told)
    await asyncio.to_thread(own_redis_server.start)
    # Something may have been missed.
    async with asyncio.timeout(LONG_S):
        await real.changed(LONG_S)
    await real.close()
