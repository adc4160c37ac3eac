"""Who waits for the end of which task, and how the end is heard of.

An owner hears of an end when it settles the task. Of all other shards, and of what callers end,
the shard's feed of changes tells; and since a feed can be cut short, waiters look themselves too.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hasten_runtime.errors import MeshError
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.tasks.port import Change, State, TaskQueue
from hasten_scheduler.intake import ShardDoor

if TYPE_CHECKING:
    from collections.abc import Iterator

CHANGES_MAX: Final = 256
"""Changes read at once."""
LISTEN_S: Final = 1.0
"""Longest wait for a change before it is asked again."""
LOOK_S: Final = 1.0
"""Pace at which waiters' tasks are looked at, in case nobody told of their end."""
PAUSE_S: Final = 0.2
"""After a store that did not answer."""


@dataclass(slots=True)
class End:
    """A task has ended.

    Attributes:
        state: How.
        answer: The answer as it came from the worker, if this process had it; else None.
    """

    state: State
    answer: bytes | None = None


class ShardEnds:
    """The waiters of one shard."""

    def __init__(self, door: ShardDoor) -> None:
        self._door = door
        self._waiters: dict[str, list[asyncio.Future[End]]] = {}
        self._jobs: list[asyncio.Task[None]] = []
        self._own = False

    @property
    def waiting(self) -> int:
        """Waiters."""
        return sum(map(len, self._waiters.values()))

    def own(self, *, owned: bool) -> None:
        """This process owns the shard from now on, or does not any more."""
        self._own = owned
        self._stop()
        if self._waiters:
            self._start()

    @contextmanager
    def waiter(self, task_id: str) -> "Iterator[asyncio.Future[End]]":
        """Completes when the task ends; what ended before it was made, it may not hear of."""
        future: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(task_id, []).append(future)
        if not self._jobs:
            self._start()
        try:
            yield future
        finally:
            others = self._waiters.get(task_id)
            if others is not None and future in others:
                others.remove(future)
                if not others:
                    del self._waiters[task_id]
            if not self._waiters:
                self._stop()

    def ended(self, task_id: str, end: End) -> None:
        """A task ended."""
        for future in self._waiters.pop(task_id, ()):
            if not future.done():
                future.set_result(end)

    async def look(self, task_ids: Iterable[str] | None = None) -> None:
        """Looks at those of these tasks for which somebody waits; at all of them for None."""
        wanted = self._waiters if task_ids is None else task_ids
        names = [task_id for task_id in wanted if task_id in self._waiters]
        for begin in range(0, len(names), CHANGES_MAX):
            some = names[begin : begin + CHANGES_MAX]
            try:
                records = await self._door.ask(lambda queue, some=some: queue.records(some))
            except MeshError:
                return
            for task_id, record in zip(some, records, strict=True):
                if record is None:
                    self.ended(task_id, End(State.CANCELLED))
                elif record.state.ended:
                    self.ended(task_id, End(record.state))

    def look_soon(self, task_ids: Sequence[str]) -> None:
        """As `look`, without waiting for it."""
        if any(task_id in self._waiters for task_id in task_ids):
            self._jobs.append(asyncio.create_task(self.look(task_ids), name="ends-look-now"))

    def close(self) -> None:
        """Tells nobody anything any more."""
        self._stop()

    def _start(self) -> None:
        self._jobs = [asyncio.create_task(self._keep_looking(), name="ends-look")]
        if not self._own:
            self._jobs.append(asyncio.create_task(self._listen(), name="ends-listen"))

    def _stop(self) -> None:
        jobs, self._jobs = self._jobs, []
        for job in jobs:
            job.cancel()

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    async def _listen(self) -> None:
        async for changes in follow(self._door.queue):
            if not changes:
                # Whatever ended before the first position has been missed.
                await self.look()
            for change in changes:
                if change.state.ended:
                    self.ended(change.task_id, End(change.state))


async def follow(queue: TaskQueue, position: str | None = None) -> AsyncIterator[list[Change]]:
    """What changes in a shard, for ever; begins with an empty list once it listens.

    Args:
        queue: The shard.
        position: After which change; None for from now on.
    """
    while position is None:
        try:
            position = await queue.newest()
        except StoreUnavailable:
            await asyncio.sleep(PAUSE_S)
    yield []
    while True:
        try:
            changes = await queue.changes(position, CHANGES_MAX, LISTEN_S)
        except StoreUnavailable:
            await asyncio.sleep(PAUSE_S)
            continue
        if changes:
            position = changes[-1].position
            yield changes
