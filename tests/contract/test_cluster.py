"""A store that is a Redis Cluster: each shard lies on one node, and is found there."""

from collections.abc import Iterator

import pytest

from hasten_policy.load import LoadSample, WorkerReport
from hasten_runtime.discovery.port import Instance
from hasten_runtime.discovery.redis_leases import RedisRegistry
from hasten_runtime.election.port import Term
from hasten_runtime.load_store import StoreUnavailable, Topic
from hasten_runtime.redis_store.advice import check_redis
from hasten_runtime.redis_store.durability import Durability
from hasten_runtime.redis_store.election import RedisElection
from hasten_runtime.redis_store.load import RedisLoadStore
from hasten_runtime.redis_store.peers import RedisPeers
from hasten_runtime.redis_store.queue.task_queue import RedisTaskQueue
from hasten_runtime.tasks.port import Claiming, Outcome, State
from hasten_runtime.wire import report_to_wire
from tests.contract.task_queues import LANE, UNLIMITED, new_task, settled
from tests.contract.test_sentinel import carried_out
from tests.support.cluster import Cluster, redis_cluster

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("no_leaked_tasks")]

SHARDS = 6


@pytest.fixture(scope="module")
def shared() -> Iterator[Cluster]:
    with redis_cluster() as servers:
        yield servers


@pytest.fixture
def own() -> Iterator[Cluster]:
    with redis_cluster() as servers:
        yield servers


def tag(shard: int) -> str:
    return f"hasten:q:{shard}"


async def test_each_shard_lies_where_its_owner_is_elected(shared: Cluster) -> None:
    election = RedisElection(shared.url)
    for shard in range(SHARDS):
        durability = (Durability.FAST, Durability.DURABLE)[shard % 2]
        queue = RedisTaskQueue(shared.url, shard=shard, durability=durability)
        term = await carried_out(lambda s=shard: election.campaign(f"q:{s}", "me", lease_s=60.0))
        assert isinstance(term, Term)
        task = new_task(shard)
        accepted = await carried_out(lambda q=queue, t=task: q.enqueue([t], UNLIMITED))
        assert accepted in ([Outcome.ACCEPTED], [Outcome.SAME])
        claim = Claiming(f"{term.epoch}.me.1", LANE, task.task_id)
        (record,) = await queue.claim(term, [claim])
        assert record is not None
        done = settled(shard, claim.attempt_id, State.DONE)
        assert await queue.settle(term, [done]) == [True]
        assert [each.state for each in await queue.changes("", 9, 0.0)][-1] is State.DONE
        assert "1" in shared.node_of(tag(shard)).command("EXISTS", f"{{{tag(shard)}}}:tasks")
        await queue.close()
    assert {shared.node_of(tag(shard)).port for shard in range(SHARDS)} == {
        node.port for node in shared.nodes
    }
    await election.close()


async def test_load_checkpoints_leases_and_peers_lie_wherever_they_belong(shared: Cluster) -> None:
    store = RedisLoadStore(shared.url)
    load = LoadSample(1, 0, 0.0, 0.0, 0, 1, 0.0)
    state = report_to_wire("w", "", WorkerReport("a", False, 1, load, ()))
    await store.publish(state, ttl_s=60.0)
    for topic in Topic:
        await store.tell(topic, "w", topic.value.encode(), ttl_s=60.0)
        assert await store.told(topic) == {"w": topic.value.encode()}
    assert set(await store.reports()) == {"w"}
    for name in ("one", "two", "three", "four"):
        await store.save_checkpoint(name, name.encode(), ttl_s=60.0)
        assert await store.checkpoint(name) == name.encode()
    await store.close()
    peers = RedisPeers(shared.url)
    await peers.announce("me", b"news", ttl_s=60.0)
    assert await peers.present() == {"me"}
    await peers.close()
    registry = RedisRegistry(shared.url)
    instance = Instance("worker", "w1", "127.0.0.1:1", {})
    await registry.announce(instance)
    reader = registry.reader("worker")
    assert [each.instance_id for each in await reader.read()] == ["w1"]
    await reader.close()
    await registry.close()
    assert any("DURABLE" in line for line in await check_redis(shared.url, Durability.DURABLE))


async def test_shards_of_other_nodes_go_on_when_one_dies_and_a_slot_is_followed(
    own: Cluster,
) -> None:
    by_node = {own.node_of(tag(shard)).port: shard for shard in range(SHARDS)}
    dying, staying, moving = (by_node[node.port] for node in own.nodes)
    queues = {shard: RedisTaskQueue(own.url, shard=shard) for shard in (dying, staying, moving)}
    for queue in queues.values():
        await carried_out(lambda q=queue: q.stats())
    own.move(tag(moving), own.node_of(tag(staying)))
    assert await carried_out(lambda: queues[moving].enqueue([new_task(1)], UNLIMITED)) is not None
    key = f"{{{tag(moving)}}}:tasks"
    assert "1" in own.node_of(tag(staying)).command("EXISTS", key)
    own.node_of(tag(dying)).kill()
    with pytest.raises(StoreUnavailable):
        await queues[dying].enqueue([new_task(1)], UNLIMITED)
    for number in range(20):
        await carried_out(lambda n=number: queues[staying].enqueue([new_task(n)], UNLIMITED))
    assert (await queues[staying].stats()).states == {State.WAITING: 20}
    for queue in queues.values():
        await queue.close()
