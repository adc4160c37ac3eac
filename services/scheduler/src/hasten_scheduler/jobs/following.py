"""Which tasks jobs wait for, and how their ends are heard of.

The feed of the shard in which a task lies tells of its end. When reading begins, and every now and
then, the tasks themselves are looked at: a feed can be cut short.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Final

from hasten_runtime.errors import MeshError
from hasten_runtime.tasks.port import Change
from hasten_scheduler.feed import ShardFeed
from hasten_scheduler.intake import ShardDoor

LOOKED_AT_ONCE: Final = 64
LOOK_S: Final = 5.0
"""Pace at which all tasks that jobs wait for are looked at."""


@dataclass(slots=True)
class _Shard:
    """Tasks of one shard that are waited for, each with its job."""

    tasks: dict[str, str] = field(default_factory=dict[str, str])
    listening: ExitStack = field(default_factory=ExitStack)


class Following:
    """Tasks that jobs wait for.

    Args:
        doors: The shards, by number.
        feeds: Of the shards.
        ended: Called with job and task when one has ended; once, then it is waited for no more.
    """

    def __init__(
        self,
        doors: Sequence[ShardDoor],
        feeds: Sequence[ShardFeed],
        ended: Callable[[str, str], None],
    ) -> None:
        self._doors = doors
        self._feeds = feeds
        self._ended = ended
        self._shards = [_Shard() for _ in doors]
        self._asides: set[asyncio.Task[None]] = set()

    def follow(self, shard: int, task_id: str, job_id: str) -> None:
        """Tells the job when the task ends; of one that has ended before, perhaps late."""
        following = self._shards[shard]
        if not following.tasks:
            listener = self._feeds[shard].listening(lambda changes: self._changed(shard, changes))
            following.listening.enter_context(listener)
        following.tasks[task_id] = job_id

    def forget(self, job_id: str) -> None:
        """The job waits for nothing any more."""
        for shard, following in enumerate(self._shards):
            for task_id in [task for task, job in following.tasks.items() if job == job_id]:
                self._drop(shard, task_id)

    async def look(self, shard: int, task_ids: Iterable[str]) -> None:
        """Looks whether these tasks have ended. Raises MeshError when the store is away."""
        following = self._shards[shard]
        wanted = [task_id for task_id in task_ids if task_id in following.tasks]
        for begin in range(0, len(wanted), LOOKED_AT_ONCE):
            some = wanted[begin : begin + LOOKED_AT_ONCE]
            records = await self._doors[shard].records(some)
            for task_id, record in zip(some, records, strict=True):
                # One that is not there may be on its way to the store.
                if record is not None and record.state.ended:
                    self._tell(shard, task_id)

    async def run(self) -> None:
        """Looks at all of them, again and again."""
        try:
            while True:
                await asyncio.sleep(LOOK_S)
                for shard in range(len(self._shards)):
                    await self._look_at_all(shard)
        finally:
            for following in self._shards:
                following.listening.close()
            for aside in self._asides:
                aside.cancel()

    async def _look_at_all(self, shard: int) -> None:
        with suppress(MeshError):
            await self.look(shard, list(self._shards[shard].tasks))

    def _changed(self, shard: int, changes: list[Change]) -> None:
        if not changes:
            aside = asyncio.create_task(self._look_at_all(shard), name="jobs-look")
            self._asides.add(aside)
            aside.add_done_callback(self._asides.discard)
        for change in changes:
            if change.state.ended:
                self._tell(shard, change.task_id)

    def _tell(self, shard: int, task_id: str) -> None:
        job_id = self._shards[shard].tasks.get(task_id)
        if job_id is not None:
            self._drop(shard, task_id)
            self._ended(job_id, task_id)

    def _drop(self, shard: int, task_id: str) -> None:
        following = self._shards[shard]
        del following.tasks[task_id]
        if not following.tasks:
            following.listening.close()
