"""A shard's feed of changes: one reader for all who listen."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.tasks.port import Change, TaskQueue

if TYPE_CHECKING:
    from collections.abc import Iterator

CHANGES_MAX: Final = 256
"""Changes read at once."""
LISTEN_S: Final = 1.0
"""Longest wait for a change before it is asked again."""
PAUSE_S: Final = 0.2
"""After a store that did not answer."""

Listener = Callable[[list[Change]], None]


class ShardFeed:
    """Reads the changes of a shard while somebody listens.

    Args:
        queue: The shard.
    """

    def __init__(self, queue: TaskQueue) -> None:
        self._queue = queue
        self._listeners: set[Listener] = set()
        self._reading: asyncio.Task[None] | None = None

    @contextmanager
    def listening(self, listener: Listener) -> "Iterator[None]":
        """Inside the block, the listener is told what changes. It is told nothing, an empty list,
        when reading begins: what changed before may have been missed.
        """
        self._listeners.add(listener)
        if self._reading is None:
            self._reading = asyncio.create_task(self._read(), name="feed")
        try:
            yield
        finally:
            self._listeners.discard(listener)
            if not self._listeners and self._reading is not None:
                self._reading.cancel()
                self._reading = None

    async def after(self, position: str) -> AsyncGenerator[list[Change], None]:
        """Changes after a position, for ever."""
        rung = asyncio.Event()
        with self.listening(lambda _: rung.set()):
            while True:
                rung.clear()
                try:
                    changes = await self._queue.changes(position, CHANGES_MAX, 0.0)
                except StoreUnavailable:
                    await asyncio.sleep(PAUSE_S)
                    continue
                if changes:
                    position = changes[-1].position
                    yield changes
                else:
                    await rung.wait()

    async def _read(self) -> None:
        position: str | None = None
        while True:
            try:
                if position is None:
                    position = await self._queue.newest()
                    changes: list[Change] = []
                else:
                    changes = await self._queue.changes(position, CHANGES_MAX, LISTEN_S)
                    if not changes:
                        continue
            except StoreUnavailable:
                await asyncio.sleep(PAUSE_S)
                continue
            if changes:
                position = changes[-1].position
            self._tell(changes)

    def _tell(self, changes: list[Change]) -> None:
        for listener in tuple(self._listeners):
            listener(changes)
