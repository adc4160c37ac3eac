"""The tasks of a shard are put into the order of its owner, where another one was before.

It is done in the background, task by task, from what the store knows of each: when it was accepted,
its class, its deadline and its period. A place is a number and nothing else, so nothing can be lost
on the way, and an owner that dies in the middle leaves a shard of which the next one does all
anew. Until all are done, tasks of the two orders stand among each other.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from hasten_policy.scheduler.orders import TaskFacts, order_mark, task_place
from hasten_policy.scheduler.policy import OrderPolicy
from hasten_runtime import logs
from hasten_runtime.election.port import Term
from hasten_runtime.tasks.port import MOVE_MAX, Place, Placing, TaskQueue, TaskRecord
from hasten_scheduler import stored

PAUSE_S: Final = 0.002
"""Between two calls, so that the store has as much time for others."""

_log = logs.logger(__name__)


async def reorder(
    queue: TaskQueue,
    term: Term,
    policy: OrderPolicy,
    asked: Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]],
) -> bool:
    """Puts the tasks of a shard into an order; False when they were in it.

    Args:
        queue: The shard.
        term: The ownership.
        policy: The order.
        asked: Asks the store, until it answers.

    Raises:
        Fenced: Somebody else owns the shard.
    """
    mark = order_mark(policy)
    before = await asked(partial(queue.reorder, term, []))
    if before == mark:
        return False
    cursor, moved = "", 0
    while True:
        records, cursor = await asked(partial(queue.page, cursor, MOVE_MAX))
        placings = [_placing(record, policy) for record in records if not record.state.ended]
        # A page of a small shard is all of it, whatever was asked for.
        for begin in range(0, len(placings), MOVE_MAX):
            some = placings[begin : begin + MOVE_MAX]
            await asked(partial(queue.reorder, term, some))
            await asyncio.sleep(PAUSE_S)
        moved += len(placings)
        if not cursor:
            break
    await asked(partial(queue.reorder, term, [], order=mark))
    _log.info("shard.reordered", tasks=moved, before=before, order=mark)
    return True


def _placing(record: TaskRecord, policy: OrderPolicy) -> Placing:
    facts = TaskFacts(
        # As its deadline was when it was accepted, or is since somebody changed it.
        record.left_s + record.age_s,
        record.lane.priority,
        stored.period_s_of(record.about),
    )
    return Placing(record.task_id, record.lane, Place(*task_place(policy, facts)))
