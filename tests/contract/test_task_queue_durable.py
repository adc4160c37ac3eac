"""What DURABLE waits for, and what it does where it cannot."""

import pytest

from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.redis_store.client import open_redis
from hasten_runtime.redis_store.durability import Durability
from hasten_runtime.tasks.port import Outcome, State
from tests.contract.task_queues import (
    UNLIMITED,
    RedisQueueHarness,
    new_task,
)
from tests.support.servers import RedisServer

pytestmark = [
    pytest.mark.integration,
    pytest.mark.usefixtures("patient_redis", "no_leaked_tasks"),
]


@pytest.mark.parametrize("fsync", ["everysec", "always"])
async def test_a_durable_task_is_on_the_disk_when_it_is_acknowledged(fsync: str) -> None:
    server = RedisServer("--appendfsync", fsync)
    try:
        server.start()
        shard = RedisQueueHarness(server)
        queue = shard.another(durability=Durability.DURABLE)
        assert await queue.enqueue([new_task(1)], UNLIMITED) == [Outcome.ACCEPTED]
        redis = open_redis(server.url)
        synced = (await redis.info("persistence"))["aof_pending_bio_fsync"]
        assert synced == 0
        offset = (await redis.info("replication"))["master_repl_offset"]
        # A repeat waits too, as the first may not have got its answer: so it writes.
        assert await queue.enqueue([new_task(1)], UNLIMITED) == [Outcome.SAME]
        assert (await redis.info("replication"))["master_repl_offset"] > offset
        calls = (await redis.info("commandstats"))["cmdstat_waitaof"]["calls"]
        assert calls >= 2
        assert await queue.cancel(["acme/1"]) == [State.WAITING]
        await redis.aclose()
        await queue.close()
        await shard.close()
    finally:
        server.close()


async def test_a_durable_task_needs_its_replicas(redis_server: RedisServer) -> None:
    shard = RedisQueueHarness(redis_server)
    queue = shard.another(durability=Durability.DURABLE, replicas=1)
    with pytest.raises(StoreUnavailable, match="0 of 1 replicas"):
        await queue.enqueue([new_task(1)], UNLIMITED)
    await queue.close()
    await shard.close()


async def test_a_durable_task_needs_a_file() -> None:
    server = RedisServer("--appendonly", "no")
    try:
        server.start()
        shard = RedisQueueHarness(server)
        queue = shard.another(durability=Durability.DURABLE)
        with pytest.raises(StoreUnavailable, match="appendonly"):
            await queue.enqueue([new_task(1)], UNLIMITED)
        await queue.close()
        await shard.close()
    finally:
        server.close()


async def test_without_waitaof_the_server_must_sync_before_it_answers(
    debian_redis_server: RedisServer,
) -> None:
    shard = RedisQueueHarness(debian_redis_server)
    queue = shard.another(durability=Durability.DURABLE)
    with pytest.raises(StoreUnavailable, match="no WAITAOF"):
        await queue.enqueue([new_task(1)], UNLIMITED)
    assert await shard.queue.records(["acme/1"]) == [None]
    debian_redis_server.command("CONFIG", "SET", "appendfsync", "always")
    assert await queue.enqueue([new_task(1)], UNLIMITED) == [Outcome.ACCEPTED]
    await queue.close()
    await shard.close()
