"""What becomes of an election when its store is gone, hangs, forgets, or loses its replies."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager

import pytest

from hasten_runtime.election import consul
from hasten_runtime.election.consul import ConsulElection
from hasten_runtime.election.port import Election, Term
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.redis_store.client import CALL_TIMEOUT_S
from hasten_runtime.redis_store.election import RedisElection
from tests.contract.election_harness import (
    LONG_S,
    ConsulHarness,
    ElectionHarness,
    MemoryHarness,
    RedisHarness,
    taken,
)
from tests.support.chaos_proxy import ChaosProxy, Mode
from tests.support.patience import PATIENCE_S, redis_answers_within
from tests.support.servers import ConsulAgent, RedisServer

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_leaked_tasks")]

NAME = "q:0"
TERM = Term("a", 1, LONG_S)

CALLS: dict[str, Callable[[Election], Awaitable[object]]] = {
    "campaign": lambda election: election.campaign(NAME, "a", lease_s=LONG_S),
    "renew": lambda election: election.renew(NAME, TERM),
    "resign": lambda election: election.resign(NAME, TERM),
    "holder": lambda election: election.holder(NAME),
}


@contextmanager
def answers_within(limit_s: float) -> Iterator[None]:
    with redis_answers_within(limit_s), pytest.MonkeyPatch.context() as patched:
        patched.setattr(consul, "CALL_TIMEOUT_S", limit_s)
        yield


@pytest.fixture(params=["memory", "redis", "consul"])
async def harness(
    request: pytest.FixtureRequest, no_leaked_tasks: None
) -> AsyncIterator[ElectionHarness]:
    """With a server of its own, which may be killed."""
    del no_leaked_tasks  # named only to be torn down after this fixture
    harness: ElectionHarness
    if request.param == "redis":
        harness = RedisHarness(request.getfixturevalue("own_redis_server"))
    elif request.param == "consul":
        harness = ConsulHarness(request.getfixturevalue("own_consul_agent"))
    else:
        harness = MemoryHarness()
    with answers_within(PATIENCE_S):
        yield harness
    await harness.close()


async def test_every_call_to_a_store_that_is_gone_raises_the_one_exception(
    harness: ElectionHarness,
) -> None:
    election = harness.election()
    await taken(election, NAME, "a")
    await harness.kill()
    for call in CALLS.values():
        with pytest.raises(StoreUnavailable):
            await call(election)


async def test_a_store_that_forgot_everything_goes_on_with_higher_epochs(
    harness: ElectionHarness,
) -> None:
    election = harness.election()
    old = await taken(election, NAME, "a")
    await harness.kill()
    await harness.start_empty()
    assert not await election.renew(NAME, old)
    new = await taken(harness.election(), NAME, "b")
    assert new.epoch > old.epoch
    assert not await election.renew(NAME, old)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
async def test_a_redis_that_hangs_is_waited_for_a_second(
    call: Callable[[Election], Awaitable[object]], redis_server: RedisServer
) -> None:
    async with ChaosProxy(redis_server.port) as proxy:
        harness = RedisHarness(redis_server)
        election = harness.open(proxy.port)
        await proxy.set_mode(Mode.BLACK_HOLE)
        with answers_within(CALL_TIMEOUT_S), pytest.raises(StoreUnavailable, match="within 1 s"):
            await call(election)
        await election.close()


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
async def test_a_consul_that_hangs_is_waited_for_two_seconds(
    call: Callable[[Election], Awaitable[object]], consul_agent: ConsulAgent
) -> None:
    async with ChaosProxy(consul_agent.port) as proxy:
        election = ConsulHarness(consul_agent).open(proxy.port)
        await proxy.set_mode(Mode.BLACK_HOLE)
        with pytest.raises(StoreUnavailable, match="within 2 s"):
            await call(election)
        await election.close()


async def test_whoever_repeats_after_a_lost_reply_changes_nothing(
    redis_server: RedisServer,
) -> None:
    harness = RedisHarness(redis_server)
    async with ChaosProxy(redis_server.port) as proxy:
        with answers_within(PATIENCE_S):
            election, watcher = harness.open(proxy.port), harness.election()
            # The server knows the scripts now; a lost reply is that of a script that ran.
            warm = await taken(election, NAME, "a")
            assert await election.renew(NAME, warm)
            await election.resign(NAME, warm)
            await proxy.set_mode(Mode.CUT_AFTER_REQUEST)
            with pytest.raises(StoreUnavailable):
                await election.campaign(NAME, "a", lease_s=LONG_S)
            lost = await watcher.holder(NAME)
            await proxy.set_mode(Mode.PASS)
            term = await election.campaign(NAME, "a", lease_s=LONG_S)
            assert term is not None
            assert lost is not None
            assert term.epoch == lost.epoch
            await proxy.set_mode(Mode.CUT_AFTER_REQUEST)
            for call in (election.renew, election.resign):
                with pytest.raises(StoreUnavailable):
                    await call(NAME, term)
            assert proxy.cuts == 3
            await proxy.set_mode(Mode.PASS)
            await election.resign(NAME, term)
            assert await watcher.holder(NAME) is None
            await election.close()
            await harness.close()


async def test_a_lock_whose_reply_was_lost_is_found_again(consul_agent: ConsulAgent) -> None:
    """Consul takes a lock in several steps, each of which may be the last that is heard of."""
    harness = ConsulHarness(consul_agent)
    with answers_within(PATIENCE_S):
        for step in range(4):
            name = f"q:{step}"
            async with ChaosProxy(consul_agent.port) as proxy:
                election = harness.open(proxy.port)
                assert isinstance(election, ConsulElection)
                _cut_at(election, proxy, step)
                with pytest.raises(StoreUnavailable):
                    await election.campaign(name, "a", lease_s=LONG_S)
                assert proxy.cuts >= 1  # aiohttp repeats a request whose connection was open before
                await proxy.set_mode(Mode.PASS)
                term = await election.campaign(name, "a", lease_s=LONG_S)
                assert term is not None
                assert await election.renew(name, term)
                assert await harness.election().campaign(name, "b", lease_s=LONG_S) is None
                await election.close()
        await harness.close()


def _cut_at(election: ConsulElection, proxy: ChaosProxy, step: int) -> None:
    """The reply to this request, counted from 0, is lost."""
    client = election._opened()
    asked = 0
    request = client.http._request

    async def counted(*args: object, **options: object) -> object:
        nonlocal asked
        if asked == step:
            await proxy.set_mode(Mode.CUT_AFTER_REQUEST)
        asked += 1
        return await request(*args, **options)

    client.http._request = counted


@pytest.mark.usefixtures("patient_redis")
async def test_a_redis_whose_clock_was_set_back_keeps_nobody_waiting_for_an_hour(
    redis_server: RedisServer,
) -> None:
    harness = RedisHarness(redis_server)
    election = harness.election()
    old = await taken(election, NAME, "a", lease_s=0.3)
    holder = await election.holder(NAME)
    assert holder is not None
    await harness.set(NAME, until_ms=4_000_000_000_000)
    new = await taken(election, NAME, "b")
    assert new.epoch > old.epoch
    await harness.close()


@pytest.mark.usefixtures("patient_redis")
async def test_a_term_from_an_old_copy_is_not_taken_for_the_newest(
    redis_server: RedisServer,
) -> None:
    """A replica that lagged is promoted while the lease still lasts, and the clock stands back."""
    harness = RedisHarness(redis_server)
    election = harness.election()
    old = await taken(election, NAME, "a")
    await election.resign(NAME, old)
    new = await taken(election, NAME, "a")
    await harness.set(NAME, owner="a", epoch=old.epoch, until_ms=4_000_000_000_000)
    newest = await election.campaign(NAME, "a", lease_s=LONG_S)
    assert newest is not None
    assert newest.epoch > new.epoch
    await harness.close()


@pytest.mark.usefixtures("patient_redis")
async def test_what_the_scripts_of_an_owner_compare_lies_beside_the_data(
    redis_server: RedisServer,
) -> None:
    harness = RedisHarness(redis_server)
    election = harness.election()
    term = await taken(election, "q:7", "s-1")
    kept = await harness.copy("q:7")
    assert (kept["owner"], kept["epoch"]) == ("s-1", str(term.epoch))
    await election.resign("q:7", term)
    kept = await harness.copy("q:7")
    assert (kept["owner"], kept["epoch"]) == ("", str(term.epoch))
    assert redis_server.command("KEYS", "*") == "*1\r\n"
    await harness.close()


@pytest.mark.usefixtures("patient_redis")
async def test_meshes_with_different_names_elect_apart(redis_server: RedisServer) -> None:
    red = RedisElection(redis_server.url, namespace="red")
    blue = RedisElection(redis_server.url, namespace="blue")
    await taken(red, NAME, "a")
    await taken(blue, NAME, "b")
    await asyncio.gather(red.close(), blue.close())


@pytest.mark.parametrize("address", ["redis://x", "x", ":1"])
def test_an_address_that_is_none_is_refused_at_once(address: str) -> None:
    with pytest.raises(ValueError, match=r"host:port|invalid literal"):
        ConsulElection(address)
