"""Connections to whichever server is the primary now."""

import asyncio
import weakref
from contextlib import suppress
from typing import Any, Final, Protocol

from hasten_runtime.lean_imports import absent

with absent("opentelemetry.sdk"):  # For redis-py's own metrics, which we do not collect.
    from redis.asyncio import BlockingConnectionPool
    from redis.asyncio.sentinel import SentinelManagedConnection
    from redis.exceptions import RedisError

ASK_S_MAX: Final = 0.25
"""Longest wait for one of those who know, where a caller waits a second for all of it."""
LOOK_S: Final = 0.5
"""Pace of questions whether the primary is still the same."""


class Whereabouts(Protocol):
    """Knows where the primary is."""

    async def primary(self) -> tuple[str, int]:
        """Its (host, port). Raises redis-py's ConnectionError when nobody knows."""
        ...

    async def close(self) -> None:
        """Releases connections."""
        ...


class PrimaryPool(BlockingConnectionPool):
    """Connections to the primary: each asks where that is when it is opened.

    While there are connections it is asked again and again: one that leads to a server which hangs,
    and which is the primary no more, would else keep its caller waiting.

    Args:
        whereabouts: Of the primary; closed with the pool.
        connection: As BlockingConnectionPool.
    """

    is_master = True
    check_connection = False

    def __init__(self, whereabouts: Whereabouts, **connection: Any) -> None:  # noqa: ANN401  (redis-py's)
        super().__init__(connection_class=SentinelManagedConnection, **connection)
        self.connection_kwargs["connection_pool"] = weakref.proxy(self)
        self._whereabouts = whereabouts
        self._address: tuple[str, int] | None = None
        self._watching: asyncio.Task[None] | None = None

    async def get_master_address(self) -> tuple[str, int]:
        """Asked by each connection before it is opened."""
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch(), name="primary-watch")
        address = await self._whereabouts.primary()
        await self._leads_to(address)
        return address

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            with suppress(RedisError, OSError):
                await self._leads_to(await self._whereabouts.primary())

    async def _leads_to(self, address: tuple[str, int]) -> None:
        before, self._address = self._address, address
        if before not in {None, address}:
            await self.disconnect()

    async def aclose(self) -> None:
        """Releases connections."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        await super().aclose()
        await self._whereabouts.close()
