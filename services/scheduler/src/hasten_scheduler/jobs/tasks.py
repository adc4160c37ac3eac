"""The tasks of jobs: submitted as callers' tasks are, looked at and ended."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, TypeAlias

from hasten.scheduler.v1 import scheduler_service_pb2 as pb
from hasten_policy.scheduler.jobs.events import TaskWish
from hasten_policy.scheduler.orders import TaskFacts
from hasten_runtime.tasks.jobs import Job
from hasten_runtime.tasks.port import TaskQueue, TaskRecord
from hasten_scheduler.finding import Finder
from hasten_scheduler.naming import Name, job_task_name
from hasten_scheduler.submitting import Submitter

CHANGED_AT_ONCE: Final = 64

InShard: TypeAlias = Callable[[TaskQueue, Sequence[str]], Awaitable[None]]
"""What is done with some tasks of a shard."""


class JobTasks:
    """What jobs do with tasks.

    Args:
        submitter: Takes tasks in.
        finder: Knows the shards.
    """

    def __init__(self, submitter: Submitter, finder: Finder) -> None:
        self._submitter = submitter
        self._finder = finder

    def place(self, job: Job, key: str) -> tuple[int, str]:
        """Shard and id of a job's task."""
        name = _name(job, key)
        return name.shard(len(self._finder.doors)), name.task_id

    def key(self, job: Job, task_id: str) -> str:
        """The key that was given to `place`."""
        return task_id.removeprefix(_name(job, "").task_id)

    async def submit(
        self, job: Job, said: pb.NewTask, wish: TaskWish, *, left_s: float, traceparent: str
    ) -> bool:
        """Has a job's task stored; True when it was before. Raises MeshError."""
        name = _name(job, wish.key)
        said.request_id, said.tenant = name.request_id, name.tenant
        facts = TaskFacts(left_s, wish.priority, wish.period_s, wish.reserved_s)
        return await self._submitter.submit_of_job(said, job.job_id, traceparent, facts)

    async def records(self, job: Job, keys: Sequence[str]) -> list[TaskRecord | None]:
        """A job's tasks. Raises MeshError."""
        by_shard: dict[int, list[str]] = {}
        places = [self.place(job, key) for key in keys]
        for shard, task_id in places:
            by_shard.setdefault(shard, []).append(task_id)
        found: dict[str, TaskRecord | None] = {}
        for shard, task_ids in by_shard.items():
            records = await self._finder.doors[shard].records(task_ids)
            found.update(zip(task_ids, records, strict=True))
        return [found[task_id] for _, task_id in places]

    async def forget(self, job: Job, keys: Sequence[str]) -> None:
        """Has a job's tasks that have ended forgotten before their time. Raises MeshError."""
        await self._each(job, keys, _forget_in)

    async def cancel(self, job: Job, keys: Sequence[str]) -> None:
        """Ends a job's tasks. Raises MeshError."""
        await self._each(job, keys, _cancel_in)

    async def _each(self, job: Job, keys: Sequence[str], work: InShard) -> None:
        by_shard: dict[int, list[str]] = {}
        for key in keys:
            shard, task_id = self.place(job, key)
            by_shard.setdefault(shard, []).append(task_id)
        await asyncio.gather(*(self._in_shard(*ids, work) for ids in by_shard.items()))

    async def _in_shard(
        self,
        shard: int,
        task_ids: list[str],
        work: InShard,
    ) -> None:
        for begin in range(0, len(task_ids), CHANGED_AT_ONCE):
            some = task_ids[begin : begin + CHANGED_AT_ONCE]
            await self._finder.doors[shard].ask(partial(_with, work, some))


async def _with(
    work: InShard,
    task_ids: Sequence[str],
    queue: TaskQueue,
) -> None:
    await work(queue, task_ids)


async def _forget_in(queue: TaskQueue, task_ids: Sequence[str]) -> None:
    await queue.discard(task_ids)


async def _cancel_in(queue: TaskQueue, task_ids: Sequence[str]) -> None:
    await queue.cancel(task_ids)


def _name(job: Job, key: str) -> Name:
    return job_task_name(job.kind, job.tenant, job.name, key)
