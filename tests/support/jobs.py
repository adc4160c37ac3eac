"""Jobs at make-believe schedulers in virtual time: stores to share, workers that the test plays.

`JobWorld` is what outlives a scheduler; `JobOwner` is one scheduler that owns all shards for a
term, and can be killed at any of its calls of a store.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry

from hasten.inference.v2 import inference_pb2 as infer_pb
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.policy import OrderPolicy
from hasten_runtime.clock import SystemClock
from hasten_runtime.election.port import Term
from hasten_runtime.fakes import MemoryJobStore, MemoryPayloads, MemoryTaskQueue
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.tasks.jobs import Job, JobLimits, JobState
from hasten_runtime.tasks.port import Claiming, Limits, Settlement, State, TaskRecord
from hasten_runtime.tasks.wake import Wake
from hasten_scheduler import stored
from hasten_scheduler.accepting import AcceptLimits, Acceptor
from hasten_scheduler.ended import ShardEnds
from hasten_scheduler.feed import ShardFeed
from hasten_scheduler.finding import Finder
from hasten_scheduler.intake import ShardDoor
from hasten_scheduler.jobs.desk import JobDesk
from hasten_scheduler.jobs.driver import ShardJobs
from hasten_scheduler.jobs.kinds import JobKind
from hasten_scheduler.jobs.live import JobContext
from hasten_scheduler.jobs.tasks import JobTasks
from hasten_scheduler.metrics import SchedulerMetrics
from hasten_scheduler.stored import Payloads
from hasten_scheduler.submitting import Submitter

Answer = Callable[[TaskRecord, infer_pb.ModelInferRequest], bytes | Refusal]
"""What a worker makes of a task."""


class JobWorld:
    """Shards in memory and one worker.

    Attributes:
        queues: The shards' tasks.
        stores: The shards' jobs.
        runs: How often each task was run, by id.
        answer: The worker.
        working: False while the worker does nothing.
    """

    def __init__(self, answer: Answer, *, shards: int = 1, inline_bytes_max: int = 4096) -> None:
        self.term: Term | None = None
        clock = SystemClock()
        self.queues = [
            MemoryTaskQueue(lambda: self.term, shard=shard, clock=clock) for shard in range(shards)
        ]
        self.stores = [
            MemoryJobStore(lambda: self.term, partial(_wake, shard, queue), clock=clock)
            for shard, queue in enumerate(self.queues)
        ]
        self.payloads = Payloads(MemoryPayloads(), inline_bytes_max=inline_bytes_max)
        self.runs: Counter[str] = Counter()
        self.answer = answer
        self.working = True
        self.desk = JobDesk(self.stores, JobLimits())
        self._attempts = 0

    def elect(self, number: int) -> Term:
        """A new owner of all shards."""
        self.term = Term(f"owner-{number}", number, 3.0)
        return self.term

    async def work(self) -> None:
        """Runs what waits, in order, until cancelled."""
        while True:
            await asyncio.sleep(0.01)
            if self.working and self.term is not None:
                for queue in self.queues:
                    await self._work_in(queue, self.term)

    async def _work_in(self, queue: MemoryTaskQueue, term: Term) -> None:
        await queue.promote(term, 256)
        for front in await queue.fronts(term, [], 64):
            for head in front.records:
                self._attempts += 1
                attempt_id = f"{term.epoch}.{term.owner}.{self._attempts}"
                claim = Claiming(attempt_id, head.lane, head.task_id)
                (record,) = await queue.claim(term, [claim])
                if record is not None:
                    await queue.settle(term, [await self._run(record, attempt_id)])

    async def _run(self, record: TaskRecord, attempt_id: str) -> Settlement:
        self.runs[record.task_id] += 1
        request = await self.payloads.decode(record.payload)
        assert request is not None
        said = self.answer(record, infer_pb.ModelInferRequest.FromString(request))
        if isinstance(said, Refusal):
            state, result = State.FAILED, stored.failure(said)
        else:
            state, result = State.DONE, await self.payloads.encode_answer(said)
        return Settlement(attempt_id, record.task_id, record.lane, state, result)

    async def job(self, job_id: str) -> Job:
        """A job that is there."""
        for store in self.stores:
            (found,) = await store.read([job_id])
            if found is not None:
                return found
        raise AssertionError(f"no job {job_id}")

    async def has_ended(self, job_id: str) -> bool:
        """The job has ended."""
        return (await self.job(job_id)).state is JobState.ENDED


class JobOwner:
    """One scheduler that drives the jobs of all shards.

    Args:
        world: What it shares with others.
        kinds: Makes the kinds of jobs that it knows, out of the tasks of jobs.
        number: Of its term.
        dies_at: It dies in so many calls of a store, counted from 1; None for never.
        dies_before: The call is not carried out then.

    Attributes:
        submitter: Takes tasks in.
        tasks: Of jobs.
        calls: Of a store so far.
        dead: It has died.
        before_call: Does something of somebody else's before a call of a store; None for nothing.
    """

    def __init__(
        self,
        world: JobWorld,
        kinds: Callable[[JobTasks], Sequence[JobKind]],
        *,
        number: int = 1,
        dies_at: int | None = None,
        dies_before: bool = False,
    ) -> None:
        self.calls = 0
        self.before_call: Callable[[int], Awaitable[None]] | None = None
        self.dead = asyncio.Event()
        self._buried = asyncio.Event()
        self._dies_at = dies_at
        self._dies_before = dies_before
        term = world.elect(number)
        queues: list[Any] = [_Mortal(queue, self) for queue in world.queues]
        self.doors = [
            ShardDoor(shard, queue, Limits(), pending_max=1000)
            for shard, queue in enumerate(queues)
        ]
        feeds = [ShardFeed(queue) for queue in world.queues]
        finder = Finder(self.doors)
        limits = AcceptLimits(request_bytes_max=100_000, shards=len(queues))
        refusal = Refusal(Reason.MODEL_NOT_FOUND, "jobs' tasks wait for their models")
        acceptor = Acceptor(limits, OrderPolicy(), lambda *_: refusal)
        self.registry = CollectorRegistry()
        self.metrics = SchedulerMetrics(self.registry)
        self.ends = [ShardEnds(door, feed) for door, feed in zip(self.doors, feeds, strict=True)]
        self.submitter = Submitter(acceptor, world.payloads, finder, self.ends, self.metrics)
        stores: list[Any] = [_Mortal(store, self) for store in world.stores]
        self.tasks = JobTasks(self.submitter, finder)
        context = JobContext(
            kinds={kind.name: kind for kind in kinds(self.tasks)},
            stores=stores,
            tasks=self.tasks,
            doors=self.doors,
            feeds=feeds,
            clock=SystemClock(),
            observer=self.metrics,
        )
        self.jobs = [
            ShardJobs(shard, term, context, holds=lambda: world.term is term)
            for shard in range(len(queues))
        ]
        self._running = [
            asyncio.create_task(job) for each in self.jobs for job in (each.run(), self._hear(each))
        ]
        self._queues = world.queues

    async def _hear(self, jobs: ShardJobs) -> None:
        async for wake in self._queues[jobs.shard].wakes():
            jobs.changed(wake.jobs)

    async def close(self) -> None:
        """Ends it as it is, in the middle of whatever it does."""
        for task in self._running:
            task.cancel()
        for task in self._running:
            with suppress(asyncio.CancelledError):
                await task
        for end in self.ends:
            end.close()
        self._buried.set()
        for door in self.doors:
            await door.close()

    async def at_store(self, call: Callable[[], Any]) -> Any:
        """A call of a store."""
        self.calls += 1
        if self.before_call is not None:
            await self.before_call(self.calls)
        dies = self._dies_at is not None and self.calls >= self._dies_at
        if dies and self._dies_before:
            await self._die()
        reply = await call()
        if dies:
            await self._die()
        return reply

    async def _die(self) -> None:
        self.dead.set()
        await self._buried.wait()
        raise StoreUnavailable("its caller has died")


def _wake(shard: int, queue: MemoryTaskQueue, job_id: str) -> None:
    queue.wake(Wake(shard, jobs=(job_id,)))


class _Mortal:
    """A store whose caller may die in a call."""

    def __init__(self, store: Any, owner: JobOwner) -> None:
        self._store = store
        self._owner = owner

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        async def call(*args: Any, **named: Any) -> Any:
            return await self._owner.at_store(lambda: method(*args, **named))

        return call


def request_bytes(model: str = "m") -> bytes:
    """A request with one small input."""
    message = infer_pb.ModelInferRequest(model_name=model)
    message.inputs.add(name="x", datatype="FP32", shape=[1, 1])
    message.raw_input_contents.append(b"\x00\x00\x00\x00")
    return message.SerializeToString()
