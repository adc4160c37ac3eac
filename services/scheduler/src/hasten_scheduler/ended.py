"""Who waits for the end of which task, and how the end is heard of.

An owner hears of an end when it settles the task. Of all other shards, and of what callers end,
the shard's feed of changes tells; and since a feed can be cut short, waiters look themselves too.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.errors import MeshError
from hasten_runtime.tasks.port import Change, State
from hasten_scheduler.feed import ShardFeed
from hasten_scheduler.intake import ShardDoor

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOKED_AT_ONCE: Final = 256
LOOK_S: Final = 1.0
"""Pace at which waiters' tasks are looked at, in case nobody told of their end."""

DRAINING: Final = Refusal(
    Reason.DRAINING,
    "this scheduler is shutting down; the task goes on, ask another one by its id",
    retry_after_s=0.0,
)


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
    """The waiters of one shard.

    Args:
        door: To the shard.
        feed: Of the shard.
    """

    def __init__(self, door: ShardDoor, feed: ShardFeed) -> None:
        self._door = door
        self._feed = feed
        self._waiters: dict[str, list[asyncio.Future[End]]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._asides: set[asyncio.Task[None]] = set()
        self._listening = ExitStack()
        self._owned = False

    @property
    def waiting(self) -> int:
        """Waiters."""
        return sum(map(len, self._waiters.values()))

    def own(self, *, owned: bool) -> None:
        """This process owns the shard from now on, or does not any more."""
        self._owned = owned
        if self._waiters:
            self._listen()
            self.look_soon(list(self._waiters))

    @contextmanager
    def waiter(self, task_id: str) -> "Iterator[asyncio.Future[End]]":
        """Completes when the task ends; what ended before it was made, it may not hear of."""
        future: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(task_id, []).append(future)
        if self._looking is None:
            self._looking = asyncio.create_task(self._keep_looking(), name="ends-look")
            self._listen()
        try:
            yield future
        finally:
            others = self._waiters.get(task_id)
            if others is not None and future in others:
                others.remove(future)
                if not others:
                    del self._waiters[task_id]

    def ended(self, task_id: str, end: End) -> None:
        """A task ended."""
        for future in self._waiters.pop(task_id, ()):
            if not future.done():
                future.set_result(end)

    def look_soon(self, task_ids: Sequence[str]) -> None:
        """Looks at those of these tasks for which somebody waits, without waiting for it."""
        if any(task_id in self._waiters for task_id in task_ids):
            looking = asyncio.create_task(self._look(task_ids), name="ends-look-now")
            self._asides.add(looking)
            looking.add_done_callback(self._asides.discard)

    def leave(self) -> None:
        """Sends all waiters elsewhere."""
        for futures in self._waiters.values():
            for future in futures:
                if not future.done():
                    future.set_exception(MeshError(DRAINING))

    def close(self) -> None:
        """Tells nobody anything any more."""
        self._listening.close()
        for job in (self._looking, *self._asides):
            if job is not None:
                job.cancel()

    def _listen(self) -> None:
        self._listening.close()
        if not self._owned:
            self._listening.enter_context(self._feed.listening(self._changed))

    def _changed(self, changes: list[Change]) -> None:
        if not changes:
            self.look_soon(list(self._waiters))
        for change in changes:
            if change.state.ended:
                self.ended(change.task_id, End(change.state))

    async def _keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if not self._waiters:
                break
            await self._look(list(self._waiters))
        self._looking = None
        self._listening.close()

    async def _look(self, task_ids: Iterable[str]) -> None:
        wanted = [task_id for task_id in task_ids if task_id in self._waiters]
        for begin in range(0, len(wanted), LOOKED_AT_ONCE):
            some = wanted[begin : begin + LOOKED_AT_ONCE]
            try:
                records = await self._door.records(some)
            except MeshError:
                return
            for task_id, record in zip(some, records, strict=True):
                # One that is not there may be on its way to the store: its waiter knows.
                if record is not None and record.state.ended:
                    self.ended(task_id, End(record.state))
