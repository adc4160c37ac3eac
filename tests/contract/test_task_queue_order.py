"""On a real server each lane is claimed in its order, whatever is accepted, changed, switched."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from hasten_policy.scheduler.orders import TaskFacts, order_mark, task_place
from hasten_policy.scheduler.policy import OrderPolicy
from hasten_policy.scheduler.tasks import RESERVED_OFFSET, Lane
from hasten_runtime.election.port import Term
from hasten_runtime.redis_store.queue.task_queue import RedisTaskQueue
from hasten_runtime.tasks.port import Claiming, Limits, Outcome, Place, Placing, State
from hasten_scheduler.reordering import reorder
from tests.contract.task_queues import LANE, OTHER_LANE, QueueHarness, new_task, settled
from tests.support.patience import redis_answers_within
from tests.support.servers import RedisServer
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

T = TypeVar("T")

# Of the class whose deadline nothing brings forward: so what is due first is exact.
LANES = [Lane("acme", "a", 3), Lane("acme", "b", 3), Lane("zen", "a", 3)]
OWN = Term("one", 1, 3.0)
STEP_S = 60.0
"""Deadlines differ by more than a test takes."""

steps = st.integers(1, 9)
orders = st.sampled_from(["edf", "fifo", "rate_monotonic"])


class Lanes(RuleBasedStateMachine):
    """Tasks of three lanes; each claim gets the one that its lane's order names.

    Attributes:
        server: The store.
    """

    server: RedisServer

    def __init__(self) -> None:
        super().__init__()
        self.server.command("FLUSHALL")
        self.server.command("HSET", "{hasten:q:0}:owner", "owner", OWN.owner, "epoch", "1")
        self._runner = asyncio.Runner()
        self._queue = RedisTaskQueue(self.server.url)
        self._policy = OrderPolicy()
        self._moments = 0
        self._accepted: dict[str, int] = {}
        # Steps to the deadline, from which moment on.
        self._due: dict[str, tuple[float, int]] = {}
        self._lanes: dict[str, Lane] = {}
        self._keys: dict[str, tuple[float, int]] = {}

    def teardown(self) -> None:
        self._run(self._queue.close())
        self._runner.close()

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(coroutine)

    def _place(self, left: float) -> Place:
        return Place(*task_place(self._policy, TaskFacts(left * STEP_S, 3)))

    def _key(self, left: float, moment: int) -> tuple[float, int]:
        return (0 if self._policy.order == "fifo" else left, moment)

    def _moment(self) -> int:
        self._moments += 1
        return self._moments

    @rule(lane=st.sampled_from(LANES), lefts=st.lists(steps, min_size=1, max_size=5))
    def accept(self, lane: Lane, lefts: list[int]) -> None:
        tasks = []
        for left in lefts:
            moment = self._moment()
            # Names in another order than they came in.
            task_id = f"task/{moment * 7919 % 10007}"
            tasks.append(
                new_task(
                    moment,
                    task_id=task_id,
                    lane=lane,
                    place=self._place(left),
                    left_s=left * STEP_S,
                    about=b"",
                )
            )
            self._accepted[task_id] = moment
            self._due[task_id] = (left, moment)
            self._lanes[task_id] = lane
            self._keys[task_id] = self._key(left, moment)
        outcomes = self._run(self._queue.enqueue(tasks, Limits()))
        assert set(outcomes) == {Outcome.ACCEPTED}

    @precondition(lambda self: self._keys)
    @rule(data=st.data(), left=steps)
    def update(self, data: st.DataObject, left: int) -> None:
        task_id = data.draw(st.sampled_from(sorted(self._keys)))
        moment = self._moment()
        # Between the steps, and far from others that were updated.
        changed = left + 0.5 + moment / 1e4
        lane, place = self._lanes[task_id], self._place(changed)
        moved = self._run(self._queue.move(task_id, lane, place, changed * STEP_S))
        assert moved is State.WAITING
        self._due[task_id] = (changed, moment)
        self._keys[task_id] = self._key(changed, moment)

    @precondition(lambda self: self._keys)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        task_id = data.draw(st.sampled_from(sorted(self._keys)))
        assert self._run(self._queue.cancel([task_id])) == [State.WAITING]
        del self._keys[task_id]

    @rule(lane=st.sampled_from(LANES))
    def claim(self, lane: Lane) -> None:
        (front,) = self._run(self._queue.fronts(OWN, [lane], 1))
        known = {
            task_id: key for task_id, key in self._keys.items() if self._lanes[task_id] == lane
        }
        assert front.waiting == len(known)
        if not known:
            return
        (first,) = front.records
        if self._policy.order == "rate_monotonic":
            # What arrives settles its ties, and is exact to 10 ms; so half steps are compared.
            assert int(2 * known[first.task_id][0]) == int(2 * min(known.values())[0])
        else:
            assert first.task_id == min(known, key=known.__getitem__)
        claim = Claiming(f"1.one.{self._moment()}", lane, first.task_id)
        (record,) = self._run(self._queue.claim(OWN, [claim]))
        assert record is not None
        del self._keys[first.task_id]

    @rule(order=orders)
    def switch(self, order: str) -> None:
        before, self._policy = self._policy, OrderPolicy(order=order)
        other = order_mark(before) != order_mark(self._policy)
        done = self._run(reorder(self._queue, OWN, self._policy, lambda ask: ask()))
        # The very first time the store does not know in which order they stand.
        assert done or not other
        if done:
            for task_id in self._keys:
                left, since = self._due[task_id]
                moment = self._accepted[task_id] if order == "fifo" else since
                self._keys[task_id] = self._key(left, moment)


def test_each_lane_is_claimed_in_its_order(redis_server: RedisServer) -> None:
    Lanes.server = redis_server
    with redis_answers_within(60.0):
        run_state_machine_as_test(Lanes, settings=settings(max_examples=20, stateful_step_count=20))


async def test_tasks_get_other_places_by_when_they_were_accepted(shard: QueueHarness) -> None:
    # Last by place comes first; the last two in one call, which tells them a microsecond apart.
    await shard.accept(new_task(9))
    await shard.accept(new_task(5), new_task(7))
    assert await shard.waiting() == ["acme/5", "acme/7", "acme/9"]
    assert await shard.queue.reorder(shard.own, []) == ""
    fifo = [Placing(f"acme/{number}", LANE, Place(1.0, 0.0)) for number in (5, 7, 9, 77)]
    for _ in range(2):
        assert await shard.queue.reorder(shard.own, fifo, order="fifo") == "fifo"
        assert await shard.waiting() == ["acme/9", "acme/5", "acme/7"]
    assert await shard.queue.reorder(shard.own, []) == "fifo"


async def test_tasks_that_run_or_wait_for_their_time_get_other_places_too(
    shard: QueueHarness,
) -> None:
    await shard.accept(new_task(1), new_task(2), new_task(3, start_in_s=0.001))
    attempt_id = await shard.run(1)
    last = [Placing(f"acme/{number}", LANE, Place(0.0, 10.0 - number)) for number in (1, 2, 3)]
    await shard.queue.reorder(shard.own, last)
    assert (await shard.record(1)).state is State.RUNNING
    assert await shard.queue.settle(shard.own, [settled(1, attempt_id, State.WAITING)]) == [True]

    async def promoted() -> bool:
        await shard.queue.promote(shard.own, 10)
        return await shard.waiting() == ["acme/3", "acme/2", "acme/1"]

    await eventually(promoted)


async def test_turns_tasks_of_other_lanes_and_ended_ones_stay(shard: QueueHarness) -> None:
    await shard.accept(new_task(1, place=Place(0.0, RESERVED_OFFSET + 5.0)), new_task(2))
    await shard.accept(new_task(3, lane=OTHER_LANE), new_task(4))
    await shard.end(4, State.DEAD)
    to = [Placing(f"acme/{number}", LANE, Place(0.0, float(-number))) for number in (1, 2, 3, 4)]
    await shard.queue.reorder(shard.own, to)
    assert await shard.waiting() == ["acme/1", "acme/2"]
    (front,) = await shard.queue.fronts(shard.own, [OTHER_LANE], 9)
    assert front.places == (3.0,)
    assert (await shard.record(4)).state is State.DEAD
