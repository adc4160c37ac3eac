"""Has the store carry something out, in batches and in order, until it has answered."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from hasten_runtime import logs
from hasten_runtime.load_store import StoreUnavailable

PAUSE_S_MIN: Final = 0.02
PAUSE_S_MAX: Final = 0.5
"""Between two tries; they double. A repeat changes nothing, whatever became of the first try."""

T = TypeVar("T")

_log = logs.logger(__name__)


class Carrier(Generic[T]):
    """A row of things to be carried out.

    Args:
        name: Of what it does, for the log.
        carry: Carries a batch out; may raise StoreUnavailable, and is then called again with it.
        most: Things in a batch.
    """

    def __init__(
        self, name: str, carry: Callable[[Sequence[T]], Awaitable[None]], *, most: int
    ) -> None:
        self._name = name
        self._carry = carry
        self._most = most
        self._row: deque[T] = deque()
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def put(self, thing: T) -> None:
        """One more."""
        self._row.append(thing)
        self._idle.clear()
        self._wanted.set()

    async def idle(self) -> None:
        """Waits until nothing is left to be carried out."""
        await self._idle.wait()

    async def run(self) -> None:
        """Carries out what comes, until cancelled; raises what carrying raises."""
        row = self._row
        while True:
            await self._wanted.wait()
            batch = [row.popleft() for _ in range(min(len(row), self._most))]
            if not row:
                self._wanted.clear()
            await self._until_answered(batch)
            if not row:
                self._idle.set()

    async def _until_answered(self, batch: Sequence[T]) -> None:
        pause_s = PAUSE_S_MIN
        while True:
            try:
                await self._carry(batch)
            except StoreUnavailable as error:
                if pause_s == PAUSE_S_MIN:
                    _log.warning(
                        "store.repeated",
                        what=self._name,
                        reason=str(error),
                        help="repeated until it is back; look at the setting redis_url",
                    )
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, PAUSE_S_MAX)
            else:
                return
