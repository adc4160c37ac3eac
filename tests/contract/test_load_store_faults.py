"""A dead, hanging, full or lying Redis costs the caller one exception and hardly any time."""

import asyncio
import re
from collections.abc import Awaitable, Callable

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from hasten.common.v1 import load_pb2
from hasten_runtime.clock import ManualClock
from hasten_runtime.fakes import MemoryLoadStore
from hasten_runtime.load_store import LoadStore, StoreUnavailable, Topic
from hasten_runtime.redis_store import leased_map
from hasten_runtime.redis_store.advice import check_redis
from hasten_runtime.redis_store.client import CALL_TIMEOUT_S, open_redis
from hasten_runtime.redis_store.durability import Durability
from hasten_runtime.redis_store.leased_map import LeasedMap
from hasten_runtime.redis_store.load import PROBE_PAUSE_S, RedisLoadStore
from hasten_runtime.wire import report_to_wire
from tests.contract.test_load_store import report
from tests.support.chaos_proxy import ChaosProxy, Mode
from tests.support.patience import redis_answers_within
from tests.support.servers import RedisServer
from tests.support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_leaked_tasks")]

CALLS: dict[str, Callable[[LoadStore], Awaitable[object]]] = {
    "publish": lambda store: store.publish(report_to_wire("w", "", report()), ttl_s=9),
    "withdraw": lambda store: store.withdraw("w"),
    "reports": lambda store: store.reports(),
    "save_checkpoint": lambda store: store.save_checkpoint("c", b"x", ttl_s=9),
    "checkpoint": lambda store: store.checkpoint("c"),
    "states": lambda store: store.states(),
    "tell": lambda store: store.tell(Topic.DEMAND, "r", b"x", ttl_s=9),
    "told": lambda store: store.told(Topic.DEMAND),
    "hush": lambda store: store.hush(Topic.DEMAND, "r"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
async def test_every_call_to_a_dead_store_raises_the_one_exception(
    call: Callable[[LoadStore], Awaitable[object]], own_redis_server: RedisServer
) -> None:
    fake = MemoryLoadStore()
    fake.available = False
    own_redis_server.kill()
    real = RedisLoadStore(own_redis_server.url)
    for store in (fake, real):
        with pytest.raises(StoreUnavailable):
            await call(store)
    await real.close()


@pytest.mark.usefixtures("patient_redis")
async def test_a_dead_store_is_tried_once_a_second_and_costs_nothing_meanwhile(
    redis_server: RedisServer,
) -> None:
    clock = ManualClock()
    async with ChaosProxy(redis_server.port) as proxy:
        store = RedisLoadStore(f"redis://{proxy.address}/0", clock=clock)
        await store.publish(report_to_wire("w", "", report()), ttl_s=60)
        await proxy.set_mode(Mode.BLACK_HOLE)
        with (
            redis_answers_within(CALL_TIMEOUT_S),
            pytest.raises(StoreUnavailable, match="did not answer"),
        ):
            await store.reports()
        tried = proxy.connections
        for _ in range(1000):
            with pytest.raises(StoreUnavailable, match="pause"):
                await store.reports()
        assert proxy.connections == tried
        clock.advance(PROBE_PAUSE_S)
        with (
            redis_answers_within(CALL_TIMEOUT_S),
            pytest.raises(StoreUnavailable, match="did not answer"),
        ):
            await store.reports()
        await proxy.set_mode(Mode.PASS)
        with pytest.raises(StoreUnavailable, match="pause"):
            await store.reports()
        clock.advance(PROBE_PAUSE_S)
        assert list(await store.reports()) == ["w"]
        assert list(await store.reports()) == ["w"]
        await store.close()


@pytest.mark.usefixtures("patient_redis")
async def test_a_hanging_redis_is_waited_for_a_second_and_not_longer(
    own_redis_server: RedisServer,
) -> None:
    store = RedisLoadStore(own_redis_server.url)
    await store.reports()
    own_redis_server.pause()
    async with asyncio.timeout(60):
        with redis_answers_within(CALL_TIMEOUT_S), pytest.raises(StoreUnavailable):
            await store.reports()
        await store.close()
    own_redis_server.resume()


@pytest.mark.usefixtures("patient_redis")
async def test_the_store_works_again_after_redis_was_killed_and_forgot_everything(
    own_redis_server: RedisServer,
) -> None:
    store = RedisLoadStore(own_redis_server.url)
    await store.publish(report_to_wire("w", "", report()), ttl_s=60)
    await asyncio.to_thread(own_redis_server.kill)
    with pytest.raises(StoreUnavailable):
        await store.reports()
    await asyncio.to_thread(own_redis_server.restart_empty)

    async def works() -> bool:
        try:
            # Its scripts are gone too: they are sent again without a word.
            await store.publish(report_to_wire("w", "", report()), ttl_s=60)
        except StoreUnavailable:
            return False
        return list(await store.reports()) == ["w"]

    await eventually(works)
    await store.close()


@pytest.mark.usefixtures("patient_redis")
async def test_a_command_whose_reply_is_lost_is_executed_once(redis_server: RedisServer) -> None:
    async with ChaosProxy(redis_server.port) as proxy:
        redis = open_redis(f"redis://{proxy.address}/0")
        await redis.ping()
        await proxy.set_mode(Mode.CUT_AFTER_REQUEST)
        with pytest.raises(RedisConnectionError):
            await redis.xadd("stream", {"field": "value"})
        await proxy.set_mode(Mode.PASS)
        assert await redis.xlen("stream") == 1
        assert proxy.cuts == 1
        await redis.aclose()


@pytest.mark.usefixtures("patient_redis")
async def test_a_report_whose_reply_is_lost_is_stored_and_said_to_be_doubtful(
    redis_server: RedisServer,
) -> None:
    async with ChaosProxy(redis_server.port) as proxy:
        clock = ManualClock()
        store = RedisLoadStore(f"redis://{proxy.address}/0", clock=clock)
        await store.publish(report_to_wire("w", "", report(depth=1)), ttl_s=60)
        await proxy.set_mode(Mode.CUT_AFTER_REQUEST)
        with pytest.raises(StoreUnavailable):
            await store.publish(report_to_wire("w", "", report(depth=2)), ttl_s=60)
        await proxy.set_mode(Mode.PASS)
        clock.advance(PROBE_PAUSE_S)
        assert await store.reports() == {"w": report(depth=2)}
        await store.close()


@pytest.mark.usefixtures("patient_redis")
async def test_a_cancelled_call_leaves_no_reply_for_the_next_one(
    redis_server: RedisServer,
) -> None:
    """A reply read by the wrong caller would be another worker's report."""
    async with ChaosProxy(redis_server.port) as proxy:
        store = RedisLoadStore(f"redis://{proxy.address}/0")
        await store.save_checkpoint("a", b"a", ttl_s=60)
        await store.save_checkpoint("b", b"b", ttl_s=60)
        await proxy.set_mode(Mode.BLACK_HOLE)
        calls = [asyncio.create_task(store.checkpoint("a")) for _ in range(5)]
        await eventually(lambda: proxy.connections >= 5)
        for call in calls:
            call.cancel()
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ended)
        await proxy.set_mode(Mode.PASS)
        assert [await store.checkpoint(name) for name in "abab"] == [b"a", b"b", b"a", b"b"]
        await store.close()


@pytest.mark.usefixtures("patient_redis")
async def test_many_callers_share_a_bounded_number_of_connections(
    redis_server: RedisServer,
) -> None:
    async with ChaosProxy(redis_server.port) as proxy:
        store = RedisLoadStore(f"redis://{proxy.address}/0")
        await asyncio.gather(
            *(store.publish(report_to_wire(f"w-{n}", "", report()), ttl_s=60) for n in range(200))
        )
        assert len(await store.reports()) == 200
        assert proxy.connections <= 8
        await store.close()


@pytest.mark.usefixtures("patient_redis")
async def test_a_report_that_cannot_be_read_is_left_out(redis_server: RedisServer) -> None:
    store = RedisLoadStore(redis_server.url)
    redis = open_redis(redis_server.url)
    entries = LeasedMap(redis, "hasten:load")
    bad_time = load_pb2.WorkerState(load=load_pb2.Load(backlog_s=-1.0))
    await entries.put("garbage", b"\xff\xfe", ttl_s=60)
    await entries.put("negative", bad_time.SerializeToString(), ttl_s=60)
    await store.publish(report_to_wire("good", "", report()), ttl_s=60)
    assert list(await store.reports()) == ["good"]
    await redis.aclose()
    await store.close()


@pytest.mark.usefixtures("patient_redis")
async def test_a_full_map_says_so_and_takes_what_it_knows(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leased_map, "ENTRIES_MAX", 2)
    redis = open_redis(redis_server.url)
    entries = LeasedMap(redis, "small")
    await entries.put("a", b"1", ttl_s=60)
    await entries.put("b", b"1", ttl_s=60)
    with pytest.raises(StoreUnavailable, match="full"):
        await entries.put("c", b"1", ttl_s=60)
    await entries.put("a", b"2", ttl_s=60)
    await entries.put("b", b"2", ttl_s=0.2)

    async def room_again() -> bool:
        try:
            await entries.put("c", b"1", ttl_s=60)
        except StoreUnavailable:
            return False
        return True

    await eventually(room_again)
    assert await entries.entries() == {"a": b"2", "c": b"1"}
    await redis.aclose()


@pytest.mark.usefixtures("patient_redis")
async def test_a_map_whose_entries_have_all_ended_leaves_nothing_behind(
    redis_server: RedisServer,
) -> None:
    redis = open_redis(redis_server.url)
    entries = LeasedMap(redis, "brief")
    await entries.put("a", b"1", ttl_s=0.1)
    await eventually(lambda: redis_server.command("DBSIZE") == ":0\r\n")
    await redis.aclose()


@pytest.mark.usefixtures("patient_redis")
async def test_a_redis_that_refuses_writes_is_unavailable_and_not_a_crash() -> None:
    server = RedisServer("--maxmemory", "1mb", "--maxmemory-policy", "noeviction")
    try:
        server.start()
        store = RedisLoadStore(server.url)
        with pytest.raises(StoreUnavailable, match="maxmemory"):
            await _fill(store)
        await store.close()
    finally:
        server.close()


async def _fill(store: LoadStore) -> None:
    for number in range(10_000):
        await store.publish(report_to_wire(f"w-{number}", "", report(models=50)), ttl_s=60)


@pytest.mark.usefixtures("patient_redis")
async def test_meshes_with_different_names_share_a_redis(redis_server: RedisServer) -> None:
    red = RedisLoadStore(redis_server.url, namespace="red")
    blue = RedisLoadStore(redis_server.url, namespace="blue")
    await red.publish(report_to_wire("w", "", report(depth=1)), ttl_s=60)
    await blue.publish(report_to_wire("w", "", report(depth=2)), ttl_s=60)
    assert await red.reports() == {"w": report(depth=1)}
    await red.close()
    await blue.close()


def test_an_url_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="redis://"):
        RedisLoadStore("127.0.0.1:6379")


@pytest.mark.usefixtures("patient_redis")
async def test_a_redis_that_would_lose_data_is_told_on() -> None:
    server = RedisServer("--appendonly", "no", "--maxmemory-policy", "allkeys-lru")
    try:
        server.start()
        advice = await check_redis(server.url)
        assert len(advice) == 2
        assert "appendonly yes" in advice[0]
        assert "allkeys-lru" in advice[1]
        server.command("ACL", "SETUSER", "default", "-config")
        assert "CONFIG" in (await check_redis(server.url))[0]
        server.kill()
        assert "cannot be checked" in (await check_redis(server.url))[0]
    finally:
        server.close()


@pytest.mark.usefixtures("patient_redis")
async def test_a_redis_that_keeps_data_gets_no_advice(redis_server: RedisServer) -> None:
    assert await check_redis(redis_server.url) == []


@pytest.mark.usefixtures("patient_redis")
async def test_a_slow_redis_is_slow_for_its_callers_alone(own_redis_server: RedisServer) -> None:
    """The event loop goes on while Redis takes its time."""
    store = RedisLoadStore(own_redis_server.url)
    own_redis_server.pause()
    reading = asyncio.create_task(store.reports())
    for _ in range(100):
        await asyncio.sleep(0)
        assert not reading.done()
    own_redis_server.resume()
    assert await reading == {}
    await store.close()


@pytest.mark.usefixtures("patient_redis")
@pytest.mark.parametrize(
    ("fsync", "fast", "durable"),
    [
        ("always", "loses nothing", "loses nothing"),
        ("everysec", "last second or two", "run again"),
        ("no", "half a minute", "run again"),
    ],
)
async def test_what_a_class_of_durability_costs_and_loses_is_told(
    fsync: str, fast: str, durable: str
) -> None:
    server = RedisServer("--appendfsync", fsync)
    try:
        server.start()
        (sentence,) = await check_redis(server.url, Durability.FAST)
        assert fast in sentence
        if fsync == "no":
            with pytest.raises(ValueError, match="appendfsync always"):
                await check_redis(server.url, Durability.DURABLE)
            return
        (sentence,) = await check_redis(server.url, Durability.DURABLE)
        assert durable in sentence
        assert re.search(r"\d+\.\d ms here", sentence)
    finally:
        server.close()


@pytest.mark.usefixtures("patient_redis")
async def test_durable_is_refused_where_it_cannot_be_kept() -> None:
    server = RedisServer("--appendonly", "no")
    try:
        server.start()
        assert "last snapshot" in (await check_redis(server.url, Durability.FAST))[-1]
        with pytest.raises(ValueError, match="appendonly yes"):
            await check_redis(server.url, Durability.DURABLE)
    finally:
        server.close()


@pytest.mark.usefixtures("patient_redis")
async def test_a_redis_without_waitaof_is_durable_only_when_it_always_syncs(
    debian_redis_server: RedisServer,
) -> None:
    with pytest.raises(ValueError, match="no WAITAOF"):
        await check_redis(debian_redis_server.url, Durability.DURABLE)
    debian_redis_server.command("CONFIG", "SET", "appendfsync", "always")
    (sentence,) = await check_redis(debian_redis_server.url, Durability.DURABLE)
    assert "loses nothing" in sentence
