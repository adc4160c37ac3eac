"""The order of a queue is changed while thousands of tasks wait in it, and others are taken out.

A server of its own, one shard, one owner: the scheduler's own walk (`hasten_scheduler.reordering`),
beside a caller that claims and settles whatever is first, as fast as it can.
"""

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Final

from hasten_cli.local.redis import RedisEndpoint, find_redis
from hasten_policy.scheduler.orders import TaskFacts, task_place
from hasten_policy.scheduler.policy import OrderPolicy
from hasten_policy.scheduler.tasks import Lane
from hasten_runtime.election.port import Term
from hasten_runtime.redis_store.client import open_redis
from hasten_runtime.redis_store.queue.task_queue import RedisTaskQueue
from hasten_runtime.tasks.port import (
    ENQUEUE_MAX,
    MOVE_MAX,
    Claiming,
    Limits,
    NewTask,
    Place,
    Settlement,
    State,
)
from hasten_scheduler.reordering import reorder
from loadtest.bench_queue import own_server
from loadtest.stored_task import stored_task

OWN: Final = Term("switch", 1, 3.0)
LANE: Final = Lane("acme", "m", 3)
DEADLINE_S_MAX: Final = 3600.0
CLAIMED_SHARE_MAX: Final = 0.5
"""The caller takes no more than this share: something must be left to look at."""


@dataclass(frozen=True, slots=True)
class Switched:
    """What was seen.

    Attributes:
        tasks: That waited at first.
        took_s: Until all stood in the other order.
        done: That were claimed and settled meanwhile.
        lost: That are nowhere afterwards.
        in_order: Those that are left stand in the other order.
    """

    tasks: int
    took_s: float
    done: int
    lost: int
    in_order: bool


def switched(tasks: int) -> Switched:
    """From edf to fifo."""
    with own_server(find_redis()) as endpoint:
        return asyncio.run(_switched(endpoint, tasks))


async def _switched(endpoint: RedisEndpoint, tasks: int) -> Switched:
    redis = open_redis(endpoint.url)
    await redis.hset("{hasten:q:0}:owner", mapping={"owner": OWN.owner, "epoch": OWN.epoch})
    await redis.aclose()
    queue = RedisTaskQueue(endpoint.url)
    try:
        rng = random.Random(1)
        made = [_task(number, rng.uniform(60.0, DEADLINE_S_MAX)) for number in range(tasks)]
        for at in range(0, tasks, ENQUEUE_MAX):
            await queue.enqueue(made[at : at + ENQUEUE_MAX], Limits(tasks_max=0))
        over = asyncio.Event()
        taking = asyncio.create_task(_take(queue, over, int(CLAIMED_SHARE_MAX * tasks)))
        begun_s = time.monotonic()
        await reorder(queue, OWN, OrderPolicy(order="fifo"), lambda ask: ask())
        took_s = time.monotonic() - begun_s
        over.set()
        done = len(await taking)
        left = await _take(queue, asyncio.Event(), tasks)
        return Switched(tasks, took_s, done, tasks - done - len(left), left == sorted(left))
    finally:
        await queue.close()


async def _take(queue: RedisTaskQueue, over: asyncio.Event, most: int) -> list[int]:
    """Claims and settles what is first, until it is over or nothing is left; their numbers."""
    done: list[int] = []
    while not over.is_set() and len(done) < most:
        (front,) = await queue.fronts(OWN, [LANE], MOVE_MAX)
        if not front.records:
            break
        claims = [
            Claiming(f"1.{OWN.owner}.{record.task_id}", LANE, record.task_id)
            for record in front.records
        ]
        records = await queue.claim(OWN, claims)
        ends = [
            Settlement(claim.attempt_id, claim.task_id, LANE, State.DONE)
            for claim, record in zip(claims, records, strict=True)
            if record is not None
        ]
        settled = await queue.settle(OWN, ends)
        done += [int(end.task_id) for end, ended in zip(ends, settled, strict=True) if ended]
    return done


def _task(number: int, left_s: float) -> NewTask:
    place = Place(*task_place(OrderPolicy(), TaskFacts(left_s, LANE.priority)))
    return stored_task(f"{number}", LANE, place, left_s=left_s, keep_s=3600.0, payload=bytes(256))
