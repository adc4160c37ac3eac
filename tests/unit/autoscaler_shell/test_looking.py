"""What is seen of several pools when one of them does not answer."""

import pytest

from hasten.common.v1.load_pb2 import Load, WorkerState
from hasten_autoscaler.looking import Looker
from hasten_policy.autoscaler.events import (
    AutoscalerEvent,
    LoadTold,
    StartRefused,
    WorkerLeft,
    WorkerReady,
    WorkerStarting,
)
from hasten_runtime.clock import ManualClock
from hasten_runtime.fakes import MemoryLoadStore
from hasten_runtime.pools.memory import MemoryPool
from hasten_runtime.pools.port import PoolUnavailable


async def seen(looker: Looker) -> list[AutoscalerEvent]:
    return [event for event in await looker.members() if not isinstance(event, LoadTold)]


async def serve(store: MemoryLoadStore, pool: MemoryPool) -> None:
    pool.become_ready()
    for name in pool.there:
        await store.publish(WorkerState(worker_id=name, lanes=1, load=Load(seq=1)), ttl_s=60.0)


async def test_a_pool_that_does_not_answer_holds_whoever_still_tells() -> None:
    store, own, cloud = MemoryLoadStore(), MemoryPool(), MemoryPool()
    looker = Looker(store, {"own": own, "cloud": cloud}, ManualClock())
    await own.start("w-1", 1)
    await own.start("w-2", 1)
    assert await seen(looker) == [WorkerStarting("w-1", "own"), WorkerStarting("w-2", "own")]
    await serve(store, own)
    assert await seen(looker) == [WorkerReady("w-1", 0.0, "own"), WorkerReady("w-2", 0.0, "own")]
    own.available = False
    await cloud.start("w-3", 1)
    lost = StartRefused(0, "the pool is not available", "own")
    assert await seen(looker) == [lost, WorkerStarting("w-3", "cloud")]
    await store.withdraw("w-1")
    assert await seen(looker) == [lost, WorkerLeft("w-1")]
    assert looker.pool_of("w-2") == "own"
    own.available = True
    del own.there["w-1"]
    assert await seen(looker) == []


async def test_when_no_pool_answers_nothing_is_known() -> None:
    pool = MemoryPool()
    pool.available = False
    with pytest.raises(PoolUnavailable):
        await Looker(MemoryLoadStore(), {"a": pool, "b": pool}, ManualClock()).members()
