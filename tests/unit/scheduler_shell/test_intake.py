"""The way to a shard: many tasks in a call, and a store that is away."""

import asyncio
from collections.abc import Sequence

import pytest

from hasten_policy.reasons import Reason
from hasten_runtime.clock import SystemClock
from hasten_runtime.errors import MeshError
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.tasks.memory import MemoryTaskQueue
from hasten_runtime.tasks.port import ENQUEUE_MAX, Limits, NewTask, Outcome
from hasten_scheduler.carrying import Carrier
from hasten_scheduler.intake import ShardDoor
from hasten_scheduler.shard_wiring import Shards
from tests.contract.task_queues import new_task
from tests.support.waiting import eventually

pytestmark = pytest.mark.virtual_time


class SlowQueue(MemoryTaskQueue):
    """Takes a second for each call of enqueue, and notes how many tasks it had."""

    def __init__(self) -> None:
        super().__init__(lambda: None, clock=SystemClock())
        self.calls: list[int] = []

    async def enqueue(self, tasks: Sequence[NewTask], limits: Limits) -> list[Outcome]:
        self.calls.append(len(tasks))
        await asyncio.wait([asyncio.ensure_future(asyncio.Event().wait())], timeout=1.0)
        return await super().enqueue(tasks, limits)


async def test_what_comes_while_the_store_is_asked_shares_the_next_call() -> None:
    queue = SlowQueue()
    door = ShardDoor(0, queue, Limits(), pending_max=1000)
    first = door.put(new_task(1))
    await eventually(lambda: queue.calls == [1])
    others = [door.put(new_task(number)) for number in range(2, 12)]
    assert await first is Outcome.ACCEPTED
    assert set(await asyncio.gather(*others)) == {Outcome.ACCEPTED}
    assert queue.calls == [1, 10]


async def test_more_than_a_call_takes_goes_in_several_at_once() -> None:
    queue = SlowQueue()
    door = ShardDoor(0, queue, Limits(), pending_max=10_000)
    outcomes = [door.put(new_task(number)) for number in range(2 * ENQUEUE_MAX)]
    await asyncio.gather(*outcomes)
    assert queue.calls == [ENQUEUE_MAX, ENQUEUE_MAX]


async def test_too_many_that_wait_are_refused() -> None:
    door = ShardDoor(0, SlowQueue(), Limits(), pending_max=2)
    kept = [door.put(new_task(1)), door.put(new_task(2))]
    with pytest.raises(MeshError) as refused:
        door.put(new_task(3))
    assert refused.value.refusal.reason is Reason.OVERLOADED
    await asyncio.gather(*kept)


async def test_a_store_that_is_away_is_refused_for_at_once_until_it_is_back() -> None:
    queue = MemoryTaskQueue(lambda: None, clock=SystemClock())
    door = ShardDoor(0, queue, Limits(), pending_max=10)
    queue.available = False
    with pytest.raises(MeshError) as first:
        await door.put(new_task(1))
    assert first.value.refusal.reason is Reason.STORE_UNAVAILABLE
    assert first.value.refusal.retry_after_s is not None
    with pytest.raises(MeshError):
        door.put(new_task(1))
    with pytest.raises(MeshError):
        await door.records(["a/1"])
    queue.available = True
    await eventually(lambda: not door.away)
    assert await door.put(new_task(1)) is Outcome.ACCEPTED
    await door.close()


async def test_what_is_carried_out_is_repeated_until_the_store_answers_in_order() -> None:
    tries: list[list[int]] = []

    async def carry(batch: Sequence[int]) -> None:
        tries.append(list(batch))
        if len(tries) < 3:
            raise StoreUnavailable("away")

    carrier = Carrier("test", carry, most=2)
    running = asyncio.create_task(carrier.run())
    for number in range(5):
        carrier.put(number)
    await carrier.idle()
    assert tries == [[0, 1], [0, 1], [0, 1], [2, 3], [4]]
    running.cancel()
    await asyncio.wait({running})


async def test_a_store_that_is_away_from_the_start_is_known_before_anybody_asks() -> None:
    queue = MemoryTaskQueue(lambda: None, clock=SystemClock())
    queue.available = False
    shards = Shards([ShardDoor(0, queue, Limits(), pending_max=10)], [], [])
    await shards.look()
    (fault,) = shards.faults()
    assert fault.startswith("the store of shard 0 does not answer")
    queue.available = True
    await eventually(lambda: not shards.faults())
    await shards.look()
    assert not shards.faults()
