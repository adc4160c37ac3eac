"""The queues behind the contract of durable tasks, and what tests put into them."""

import math
from abc import ABC, abstractmethod
from typing import Any

from hasten_policy.scheduler.tasks import Lane
from hasten_runtime.election.port import Term
from hasten_runtime.fakes import MemoryJobStore, MemoryTaskQueue
from hasten_runtime.redis_store.jobs.job_store import RedisJobStore
from hasten_runtime.redis_store.queue.task_queue import RedisTaskQueue
from hasten_runtime.tasks.jobs import JobStore
from hasten_runtime.tasks.port import (
    Claiming,
    Limits,
    NewTask,
    Outcome,
    Place,
    Placing,
    Settlement,
    State,
    TaskQueue,
    TaskRecord,
)
from hasten_runtime.tasks.wake import Wake
from tests.support.servers import RedisServer

LANE = Lane("acme", "vision", 2)
OTHER_LANE = Lane("ümlaut:7", "text/3", 0)
UNLIMITED = Limits()
TO_THE_FRONT = Placing("acme/2", LANE, Place(0.0, -1.0))
LONG_S = 3600.0


def new_task(number: int, **changed: Any) -> NewTask:
    """A task of the lane LANE whose place is its number."""
    facts: dict[str, Any] = {
        "task_id": f"acme/{number}",
        "digest": f"{number:016}".encode(),
        "lane": LANE,
        "place": Place(0.0, float(number)),
        "left_s": LONG_S,
        "start_in_s": 0.0,
        "keep_s": LONG_S,
        "attempts_max": 3,
        "rows": 1,
        "elements": 12,
        "key": "",
        "key_max": 1,
        "about": b"about",
        "payload": b"payload",
    }
    return NewTask(**(facts | changed))


class QueueHarness(ABC):
    """One shard, shared by several make-believe processes."""

    def __init__(self) -> None:
        self.attempts = 0
        self.queue: TaskQueue = self.another()
        self.jobs: JobStore = self.job_store()
        self.own = self.elect("one", 1)

    @abstractmethod
    def another(self, **settings: Any) -> TaskQueue:
        """A further process's access to the shard; closed by the test."""

    @abstractmethod
    def job_store(self, **settings: Any) -> JobStore:
        """A process's access to the shard's jobs."""

    @abstractmethod
    def elect(self, owner: str, epoch: int) -> Term:
        """Makes somebody the shard's owner; "" for nobody."""

    async def close(self) -> None:
        await self.queue.close()
        await self.jobs.close()

    async def accept(self, *tasks: NewTask) -> None:
        """Enqueues tasks that are all accepted."""
        outcomes = await self.queue.enqueue(tasks, UNLIMITED)
        assert outcomes == [Outcome.ACCEPTED] * len(tasks)

    def claiming(self, number: int, lane: Lane = LANE) -> Claiming:
        """A new attempt at task `number`."""
        self.attempts += 1
        attempt_id = f"{self.own.epoch}.{self.own.owner}.{self.attempts}"
        return Claiming(attempt_id, lane, f"acme/{number}")

    async def run(self, number: int, lane: Lane = LANE) -> str:
        """Claims task `number`, which waits; returns the attempt's id."""
        claiming = self.claiming(number, lane)
        (record,) = await self.queue.claim(self.own, [claiming])
        assert record is not None
        assert record.state is State.RUNNING
        return claiming.attempt_id

    async def end(self, number: int, state: State, result: bytes = b"result") -> str:
        """Claims task `number` and settles it so; returns the attempt's id."""
        attempt_id = await self.run(number)
        settlement = settled(number, attempt_id, state, result=result)
        assert await self.queue.settle(self.own, [settlement]) == [True]
        return attempt_id

    async def record(self, number: int) -> TaskRecord:
        """Task `number`, which is there."""
        (record,) = await self.queue.records([f"acme/{number}"])
        assert record is not None
        return record

    async def waiting(self, lane: Lane = LANE) -> list[str]:
        """Ids at the front of a lane, in order."""
        (front,) = await self.queue.fronts(self.own, [lane], 1000)
        assert front.waiting == len(front.records)
        return [record.task_id for record in front.records]


class MemoryQueueHarness(QueueHarness):
    def __init__(self) -> None:
        self._newest: Term | None = None
        self._only = MemoryTaskQueue(lambda: self._newest)
        super().__init__()

    def another(self, **settings: Any) -> TaskQueue:
        del settings
        return self._only

    def job_store(self, **settings: Any) -> JobStore:
        del settings
        return MemoryJobStore(
            lambda: self._newest, lambda job_id: self._only.wake(Wake(0, jobs=(job_id,)))
        )

    def elect(self, owner: str, epoch: int) -> Term:
        term = Term(owner, epoch, 3.0)
        self._newest = term if owner else None
        return term


class RedisQueueHarness(QueueHarness):
    def __init__(self, server: RedisServer) -> None:
        self.server = server
        super().__init__()

    def another(self, **settings: Any) -> RedisTaskQueue:
        return RedisTaskQueue(self.server.url, **settings)

    def job_store(self, **settings: Any) -> JobStore:
        return RedisJobStore(self.server.url, **settings)

    def elect(self, owner: str, epoch: int) -> Term:
        self.server.command("HSET", "{hasten:q:0}:owner", "owner", owner, "epoch", str(epoch))
        return Term(owner, epoch, 3.0)


def settled(number: int, attempt_id: str, state: State, **more: Any) -> Settlement:
    """What the attempt at task `number` came to."""
    return Settlement(attempt_id, f"acme/{number}", LANE, state, **more)


def about_s(seconds: float, expected_s: float) -> bool:
    """The same, but for the time that the test has taken."""
    if math.isinf(expected_s):
        return seconds == expected_s
    return abs(seconds - expected_s) < 120.0
