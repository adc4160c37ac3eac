"""How the schedulers of a mesh know of each other."""

import asyncio
from contextlib import suppress
from typing import Protocol

from hasten_runtime.clock import Clock, SystemClock
from hasten_runtime.load_store import StoreUnavailable


class Peers(Protocol):
    """The live schedulers. Every method but `close` may raise StoreUnavailable."""

    async def announce(self, name: str, news: bytes, *, ttl_s: float) -> None:
        """Says that `name` lives; it is present for ttl_s. Others that wait hear of it when it
        comes or has other news.
        """
        ...

    async def withdraw(self, name: str) -> None:
        """Says that `name` leaves; the others hear of it."""
        ...

    async def present(self) -> set[str]:
        """Who lives."""
        ...

    async def changed(self, wait_s: float) -> None:
        """Returns when somebody came, had news or left, or after wait_s; by one caller at a time.

        The first call, and the first after trouble, returns at once: who calls `present` after each
        return misses nothing but those who leave without a word.
        """
        ...

    async def close(self) -> None:
        """Releases connections."""
        ...


class MemoryBoard:
    """Where the peers of one process meet, for tests.

    Attributes:
        available: Set to False to play a dead store.
        changes: How often somebody came, had news or left.
        changed: Set, and replaced, with each change.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.available = True
        self.changes = 0
        self.changed = asyncio.Event()
        self._clock = clock or SystemClock()
        self._entries: dict[str, tuple[bytes, float]] = {}

    def put(self, name: str, news: bytes, ttl_s: float) -> None:
        """Notes a peer."""
        self._check()
        before = self._entries.get(name)
        self._entries[name] = (news, self._clock.now_s() + ttl_s)
        if before is None or before[0] != news:
            self._wake()

    def remove(self, name: str) -> None:
        """Forgets a peer."""
        self._check()
        if self._entries.pop(name, None) is not None:
            self._wake()

    def names(self) -> set[str]:
        """Those whose time is not over."""
        self._check()
        now_s = self._clock.now_s()
        self._entries = {name: entry for name, entry in self._entries.items() if entry[1] > now_s}
        return set(self._entries)

    def _check(self) -> None:
        if not self.available:
            raise StoreUnavailable("the board is not available")

    def _wake(self) -> None:
        self.changes += 1
        self.changed.set()
        self.changed = asyncio.Event()


class MemoryPeers:
    """The `Peers` port of one process over a board."""

    def __init__(self, board: MemoryBoard) -> None:
        self._board = board
        self._seen = -1

    async def announce(self, name: str, news: bytes, *, ttl_s: float) -> None:
        """Says that `name` lives; see the port."""
        self._board.put(name, news, ttl_s)

    async def withdraw(self, name: str) -> None:
        """Says that `name` leaves; see the port."""
        self._board.remove(name)

    async def present(self) -> set[str]:
        """Who lives; see the port."""
        return self._board.names()

    async def changed(self, wait_s: float) -> None:
        """Waits for a change; see the port."""
        if self._seen == self._board.changes:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._board.changed.wait()
        self._seen = self._board.changes

    async def close(self) -> None:
        """Nothing to release."""
