"""A Redis that loses replies, is full, restarts, forgets scripts, or holds what nobody can read."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest

from hasten_runtime.clock import ManualClock
from hasten_runtime.fakes import MemoryTaskQueue
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.redis_store.client import open_redis
from hasten_runtime.redis_store.queue import changes
from hasten_runtime.redis_store.queue.scripts import ShardScripts
from hasten_runtime.redis_store.queue.task_queue import PAUSES_MAX, RedisTaskQueue
from hasten_runtime.tasks.port import Claiming, Limits, Outcome, Place, State, TaskQueue
from hasten_runtime.tasks.wake import Wake
from tests.contract.task_queues import (
    LANE,
    LONG_S,
    OTHER_LANE,
    TO_THE_FRONT,
    UNLIMITED,
    QueueHarness,
    RedisQueueHarness,
    new_task,
    settled,
)
from tests.support.chaos_proxy import ChaosProxy, Mode
from tests.support.servers import RedisServer
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.integration,
    pytest.mark.usefixtures("patient_redis", "no_leaked_tasks"),
]

CLAIM = Claiming("1.one.77", LANE, "acme/2")
Call = Callable[[TaskQueue, QueueHarness], Awaitable[object]]

# Each changes something; done twice, it has changed the same.
CALLS: dict[str, Call] = {
    "enqueue": lambda queue, _: queue.enqueue([new_task(9), new_task(10)], UNLIMITED),
    "cancel": lambda queue, _: queue.cancel(["acme/1", "acme/2", "acme/4"]),
    "move": lambda queue, _: queue.move("acme/2", OTHER_LANE, Place(0.0, 1.0), None),
    "requeue": lambda queue, _: queue.requeue(["acme/3"]),
    "discard": lambda queue, _: queue.discard(["acme/3"]),
    "pause": lambda queue, _: queue.pause("acme", None, paused=True),
    "adopt": lambda queue, shard: queue.adopt(shard.own),
    "claim": lambda queue, shard: queue.claim(shard.own, [CLAIM]),
    "settle": lambda queue, shard: queue.settle(
        shard.own, [settled(1, "1.one.1", State.DONE, result=b"r", counts=True)]
    ),
    "settle again": lambda queue, shard: queue.settle(
        shard.own, [settled(1, "1.one.1", State.WAITING, counts=True, death="w/1")]
    ),
    "drop": lambda queue, shard: queue.drop(shard.own, LANE, "acme/2", b"late"),
    "promote": lambda queue, shard: queue.promote(shard.own, 10),
    "reorder": lambda queue, shard: queue.reorder(shard.own, [TO_THE_FRONT]),
    "sweep": lambda queue, shard: queue.sweep(shard.own, 10),
}


@asynccontextmanager
async def shard_on(server: RedisServer) -> AsyncIterator[RedisQueueHarness]:
    """A shard with a task in each state: 1 runs, 2 waits, 3 is dead, 4 waits for its time, 5 is
    due, 6 is to be forgotten.
    """
    shard = RedisQueueHarness(server)
    await shard.accept(*(new_task(number, keep_s=0.0) for number in (1, 2, 3, 6)))
    await shard.accept(new_task(4, start_in_s=LONG_S), new_task(5, start_in_s=0.001))
    await shard.run(1)
    await shard.end(3, State.DEAD)
    await shard.end(6, State.DONE)
    yield shard
    await shard.close()


async def snapshot(shard: RedisQueueHarness) -> tuple[object, ...]:
    """All that is in the shard, but for what time alone changes."""
    records, cursor = await shard.queue.page("", 1000)
    assert cursor == ""
    stats = await shard.queue.stats()
    redis = open_redis(shard.server.url)
    keys = {}
    for name in ("later", "ended", "dead"):
        keys[name] = await redis.zrange(f"{{hasten:q:0}}:{name}", 0, -1)
    running = await redis.hgetall("{hasten:q:0}:running")
    await redis.aclose()
    fronts = {
        front.lane: (front.waiting, [record.task_id for record in front.records], front.places)
        for front in await shard.queue.fronts(shard.own, [], 100)
    }
    return (
        {
            record.task_id: (
                record.state,
                record.lane,
                record.attempts,
                record.runs,
                record.deaths,
            )
            for record in records
        },
        (stats.states, stats.lanes, stats.tenants, stats.bytes_held),
        (keys, running, fronts, await shard.queue.pauses()),
        len(await shard.queue.changes("", 1000, 0.0)),
    )


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
async def test_a_repeat_after_a_lost_reply_changes_nothing(
    redis_server: RedisServer, call: Call
) -> None:
    async with shard_on(redis_server) as shard, ChaosProxy(redis_server.port) as proxy:
        queue = RedisTaskQueue(f"redis://{proxy.address}/0")
        await queue.records([])  # The scripts are loaded while replies still come.
        if call is CALLS["adopt"]:
            shard.own = shard.elect("two", 2)
        before = await snapshot(shard)
        await call(queue, shard)
        once = await snapshot(shard)
        assert once != before
        await proxy.set_mode(Mode.CUT_AFTER_REQUEST)
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await call(queue, shard)
        assert proxy.cuts >= 3
        await proxy.set_mode(Mode.PASS)
        await call(queue, shard)
        again = await snapshot(shard)
        # A move is told each time.
        assert again[:3] == once[:3]
        assert again[3] == once[3] or call is CALLS["move"]
        await queue.close()


async def test_a_task_whose_acceptance_was_never_heard_of_is_there_once(
    redis_server: RedisServer,
) -> None:
    async with ChaosProxy(redis_server.port) as proxy:
        shard = RedisQueueHarness(redis_server)
        await shard.accept(new_task(0))
        queue = RedisTaskQueue(f"redis://{proxy.address}/0")
        # A look at the server's memory would be cut in the place of the task.
        unlimited = replace(UNLIMITED, memory_share_max=0.0)
        await queue.enqueue([new_task(0)], unlimited)
        for number in range(1, 20):
            await proxy.set_mode(Mode.CUT_AFTER_REQUEST)
            with pytest.raises(StoreUnavailable):
                await queue.enqueue([new_task(number)], unlimited)
            await proxy.set_mode(Mode.PASS)
            # A busy server may come to the repeat first, and then to what it is a repeat of.
            (again,) = await queue.enqueue([new_task(number)], unlimited)
            assert again in {Outcome.SAME, Outcome.ACCEPTED}
        assert (await queue.stats()).states == {State.WAITING: 20}
        assert len(await shard.waiting()) == 20
        await queue.close()
        await shard.close()


async def test_a_call_to_a_dead_store_raises_the_one_exception(
    own_redis_server: RedisServer,
) -> None:
    fake = MemoryTaskQueue(lambda: None)
    fake.available = False
    shard = RedisQueueHarness(own_redis_server)
    own_redis_server.kill()
    for queue in (fake, shard.queue):
        for call in CALLS.values():
            with pytest.raises(StoreUnavailable):
                await call(queue, shard)
        with pytest.raises(StoreUnavailable):
            await queue.changes("", 10, 0.0)
    await shard.close()


async def test_all_that_was_accepted_is_there_after_the_server_was_killed(
    own_redis_server: RedisServer,
) -> None:
    async with shard_on(own_redis_server) as shard:
        before = await snapshot(shard)
        await asyncio.to_thread(own_redis_server.kill)
        with pytest.raises(StoreUnavailable):
            await shard.queue.stats()
        # Its scripts are gone: they are sent again without a word.
        await asyncio.to_thread(own_redis_server.start)
        assert await snapshot(shard) == before
        await shard.accept(new_task(7))


async def test_a_full_server_takes_no_new_task_and_settles_what_it_has() -> None:
    server = RedisServer("--maxmemory-policy", "noeviction")
    try:
        server.start()
        async with shard_on(server) as shard:
            server.command("CONFIG", "SET", "maxmemory", "1")
            with pytest.raises(StoreUnavailable, match="maxmemory"):
                await shard.queue.enqueue([new_task(9)], Limits(memory_share_max=0.0))
            for name, call in CALLS.items():
                if name not in {"enqueue", "move", "requeue"}:
                    await call(shard.queue, shard)
            assert (await shard.queue.records(["acme/9"])) == [None]
    finally:
        server.close()


async def test_the_shard_closes_before_the_server_is_full() -> None:
    server = RedisServer("--maxmemory", "1gb")
    try:
        server.start()
        clock = ManualClock()
        queue = RedisTaskQueue(server.url, clock=clock)
        assert await queue.enqueue([new_task(1)], UNLIMITED) == [Outcome.ACCEPTED]
        tight = Limits(memory_share_max=0.000_1)
        assert await queue.enqueue([new_task(2), new_task(1)], tight) == [
            Outcome.QUEUE_FULL,
            Outcome.SAME,
        ]
        server.command("CONFIG", "SET", "maxmemory", "0")
        assert await queue.enqueue([new_task(2)], tight) == [Outcome.QUEUE_FULL]
        clock.advance(10.0)
        assert await queue.enqueue([new_task(2)], tight) == [Outcome.ACCEPTED]
        await queue.close()
    finally:
        server.close()


@pytest.mark.parametrize(
    "record",
    [b"", b"garbage", bytes([1]) * 400, bytes([9]) + bytes(400), b"\x01\x01" + b"\xff" * 400],
    ids=["empty", "garbage", "impossible lengths", "another version", "no such state"],
)
async def test_a_record_that_cannot_be_read_harms_nobody(
    redis_server: RedisServer, record: bytes
) -> None:
    shard = RedisQueueHarness(redis_server)
    await shard.accept(new_task(1), new_task(2), new_task(3), new_task(4, start_in_s=0.001))
    bad_ids = ["acme/2", "acme/running", "acme/later"]
    redis = open_redis(redis_server.url)
    for task_id in bad_ids:
        await redis.hset("{hasten:q:0}:tasks", task_id, record)
    await redis.hset("{hasten:q:0}:running", "acme/running", "0.nobody.1")
    await redis.zadd("{hasten:q:0}:later", {"acme/later": 0.0})
    await redis.aclose()
    assert await shard.queue.records([*bad_ids]) == [None] * 3
    records, _ = await shard.queue.page("", 100)
    assert {found.task_id for found in records} == {"acme/1", "acme/3", "acme/4"}
    assert await shard.queue.enqueue([new_task(2)], UNLIMITED) == [Outcome.OTHER_CONTENT]
    assert await shard.queue.cancel(bad_ids) == [None] * 3
    assert await shard.queue.requeue(bad_ids) == [False] * 3
    assert await shard.queue.discard(bad_ids) == [False] * 3
    assert await shard.queue.move("acme/2", LANE, Place(0.0, 0.0), None) is None
    assert await shard.queue.claim(shard.own, [shard.claiming(2)]) == [None]
    assert await shard.queue.settle(shard.own, [settled(2, "1.one.1", State.DONE)]) == [False]
    assert not await shard.queue.drop(shard.own, LANE, "acme/2", b"")
    assert await shard.queue.adopt(shard.own) == 0

    async def promoted() -> bool:
        lanes, next_s = await shard.queue.promote(shard.own, 10)
        return bool(lanes) and next_s == math.inf

    await eventually(promoted)
    (front,) = await shard.queue.fronts(shard.own, [LANE], 100)
    assert [found.task_id for found in front.records] == ["acme/1", "acme/3", "acme/4"]
    assert (await shard.queue.stats()).lanes == {LANE: 3}
    await shard.end(1, State.DONE)
    await shard.close()


async def test_the_feed_is_trimmed_and_goes_on(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "ENTRIES_AT_ONCE", 10_000)
    shard = RedisQueueHarness(redis_server)
    for _ in range(300):
        await shard.accept(*(new_task(number) for number in range(256)))
        await redis_forgets_tasks(redis_server)
    kept = await shard.queue.changes("", 1_000_000, 0.0)
    numbers = [int(change.position.partition("-")[2]) for change in kept]
    assert numbers[-1] == 300 * 256
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert 65_536 <= len(numbers) < 75_000
    assert await shard.queue.changes(kept[0].position, 3, 0.0) == kept[1:4]
    await shard.close()


async def redis_forgets_tasks(server: RedisServer) -> None:
    for name in ("tasks", "lane:2:4:acmevision"):
        await asyncio.to_thread(server.command, "DEL", f"{{hasten:q:0}}:{name}")


async def test_a_watcher_of_a_feed_that_went_back_sees_what_is_new(
    redis_server: RedisServer,
) -> None:
    shard = RedisQueueHarness(redis_server)
    await shard.accept(new_task(1))
    (seen,) = await shard.queue.changes("", 10, 0.0)
    era, _, number = seen.position.partition("-")
    newer = f"{era}-{int(number) + 1000}"
    assert await shard.queue.changes(newer, 10, 0.0) == [seen]
    with pytest.raises(ValueError, match="nonsense"):
        await shard.queue.changes("nonsense", 10, 0.0)
    await shard.close()


async def test_an_owner_listens_again_after_a_break(redis_server: RedisServer) -> None:
    async with ChaosProxy(redis_server.port) as proxy:
        shard = RedisQueueHarness(redis_server)
        queue = RedisTaskQueue(f"redis://{proxy.address}/0")
        async with aclosing(queue.wakes()) as wakes:
            assert await anext(wakes) == Wake(0)
            await proxy.cut()
            assert await anext(wakes) == Wake(0)
            await shard.accept(new_task(1))
            assert (await anext(wakes)).grew == ((LANE, 1.0),)
            redis = open_redis(redis_server.url)
            await redis.publish("{hasten:q:0}:wakes", b"?what")
            assert await anext(wakes) == Wake(0)
            await redis.aclose()
        await queue.close()
        await shard.close()


async def test_shards_and_meshes_do_not_see_each_other(redis_server: RedisServer) -> None:
    shard = RedisQueueHarness(redis_server)
    await shard.accept(new_task(1))
    for settings in ({"shard": 1}, {"namespace": "blue"}):
        other = shard.another(**settings)
        assert (await other.stats()).states == {}
        assert await other.enqueue([new_task(1)], UNLIMITED) == [Outcome.ACCEPTED]
        await other.close()
    await shard.close()


async def test_every_key_of_a_shard_lies_in_one_slot_of_a_cluster(
    redis_server: RedisServer,
) -> None:
    async with shard_on(redis_server) as shard:
        for call in CALLS.values():
            await call(shard.queue, shard)
        redis = open_redis(redis_server.url)
        keys = await redis.keys()
        await redis.aclose()
        assert len(keys) >= 8
        assert all(key.startswith(b"{hasten:q:0}:") for key in keys)


async def test_a_lane_that_is_not_named_is_not_touched_but_told(
    redis_server: RedisServer,
) -> None:
    shard = RedisQueueHarness(redis_server)
    await shard.accept(new_task(1))
    scripts = ShardScripts(open_redis(redis_server.url), "hasten:q:0")
    reply = await scripts.call("cancel", (), ["acme/1"])
    assert (reply.own, reply.missing) == ([-1], [LANE])
    assert (await shard.record(1)).state is State.WAITING
    assert await scripts.call_each("cancel", (), ["acme/1"]) == [State.WAITING.value]
    await scripts._redis.aclose()
    await shard.close()


async def test_no_more_scopes_are_paused_than_may_be(redis_server: RedisServer) -> None:
    shard = RedisQueueHarness(redis_server)
    for number in range(PAUSES_MAX):
        await shard.queue.pause(f"t{number}", None, paused=True)
    with pytest.raises(StoreUnavailable, match="1024"):
        await shard.queue.pause("one more", None, paused=True)
    await shard.queue.pause("t7", None, paused=True)
    await shard.queue.pause("t7", None, paused=False)
    await shard.queue.pause("one more", None, paused=True)
    await shard.close()


@pytest.mark.parametrize(
    "changed",
    [
        {"task_id": ""},
        {"task_id": "two\nlines"},
        {"digest": b"short"},
        {"rows": -1},
        {"rows": 2**32},
        {"attempts_max": 2**16},
        {"key": "k" * 70_000},
    ],
)
async def test_what_no_record_has_room_for_is_refused(
    redis_server: RedisServer, changed: dict[str, object]
) -> None:
    shard = RedisQueueHarness(redis_server)
    with pytest.raises(ValueError, match=r"."):
        await shard.queue.enqueue([new_task(1, **changed)], UNLIMITED)
    assert (await shard.queue.stats()).states == {}
    await shard.close()
