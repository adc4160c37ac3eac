"""A shard is put into another order: nothing is lost, whoever dies on the way."""

import pytest

from hasten_policy.scheduler.orders import TaskFacts, task_place
from hasten_policy.scheduler.policy import OrderPolicy
from hasten_policy.scheduler.tasks import Lane
from hasten_runtime.election.port import Term
from hasten_runtime.fakes import MemoryTaskQueue
from hasten_runtime.tasks.port import Fenced, Limits, NewTask, Place
from hasten_scheduler import stored
from hasten_scheduler.reordering import reorder

pytestmark = pytest.mark.virtual_time

LANE = Lane("acme", "m", 1)
TASKS = 200
EDF, FIFO = OrderPolicy(), OrderPolicy(order="fifo")
BY_PERIOD = OrderPolicy(order="rate_monotonic")


class Shard:
    """Its tasks are due in the opposite of the order in which they come; a fifth has periods."""

    def __init__(self) -> None:
        self.term = Term("one", 1, 3.0)
        self.queue = MemoryTaskQueue(lambda: self.term)

    async def fill(self) -> None:
        for number in range(TASKS):
            left_s = 1000.0 - number
            period_s = 1.0 + number if number % 5 == 0 else 0.0
            place = Place(*task_place(EDF, TaskFacts(left_s, 1, period_s)))
            task = NewTask(
                *(f"t{number:03}", b"0" * 16, LANE, place, left_s, 0.0, 60.0),
                *(3, 1, 1, "", 1, stored.with_period(stored.about({}, "", "job"), period_s), b""),
            )
            await self.queue.enqueue([task], Limits())

    async def reorder(self, policy: OrderPolicy, term: Term | None = None) -> bool:
        return await reorder(self.queue, term or self.term, policy, lambda ask: ask())

    async def order(self) -> list[int]:
        (front,) = await self.queue.fronts(self.term, [LANE], TASKS)
        return [int(record.task_id[1:]) for record in front.records]


async def test_tasks_that_wait_stand_in_the_new_order_and_none_is_lost() -> None:
    shard = Shard()
    await shard.fill()
    at_first = await shard.order()
    assert at_first == list(reversed(range(TASKS)))
    assert await shard.reorder(FIFO)
    assert await shard.order() == list(range(TASKS))
    assert not await shard.reorder(FIFO)
    assert await shard.reorder(EDF)
    assert await shard.order() == at_first


async def test_a_period_is_not_forgotten_in_an_order_that_does_not_ask_for_it() -> None:
    shard = Shard()
    await shard.fill()
    await shard.reorder(FIFO)
    await shard.reorder(BY_PERIOD)
    shortest = [number for number in await shard.order() if number % 5 == 0]
    assert shortest == list(range(0, TASKS, 5))
    assert (await shard.order())[:3] == [0, 5, 10]


async def test_who_loses_the_shard_on_the_way_leaves_it_to_the_next() -> None:
    shard = Shard()
    await shard.fill()
    calls = 0
    real = shard.queue.reorder

    async def dies(*args: object, **named: object) -> str:
        nonlocal calls
        calls += 1
        if calls == 3:
            shard.term = Term("two", 2, 3.0)
        return await real(*args, **named)  # type: ignore[arg-type]  # as it came

    first = shard.term
    shard.queue.reorder = dies  # type: ignore[method-assign]
    with pytest.raises(Fenced):
        await shard.reorder(FIFO, first)
    assert await shard.order() != list(range(TASKS))
    assert await shard.reorder(FIFO)
    assert await shard.order() == list(range(TASKS))
