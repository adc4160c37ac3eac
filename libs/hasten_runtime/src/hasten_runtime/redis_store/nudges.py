"""Waiting for what is published on a channel."""

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.redis_store.client import CALL_TIMEOUT_S, bounded

if TYPE_CHECKING:
    from redis.asyncio import Redis

NUDGES_AT_ONCE: Final = 256


class Nudges:
    """Says when something may have changed; keeps one connection from the first wait on.

    Args:
        redis: Not closed here.
        channel: What is published there is a nudge, whatever it says.
    """

    def __init__(self, redis: "Redis", channel: str) -> None:
        self._pubsub = redis.pubsub(ignore_subscribe_messages=True)
        self._channel = channel
        self._subscribed = False

    async def wait(self, wait_s: float) -> None:
        """Returns at a nudge, or after wait_s. Several nudges at once count as one.

        The first call, and the first after trouble, returns as soon as the channel is listened to:
        who reads after it misses nothing. Raises StoreUnavailable.
        """
        try:
            if self._subscribed:
                await self._nudge(wait_s)
            else:
                await self.close()
                async with bounded():
                    await self._pubsub.subscribe(self._channel)
                self._subscribed = True
        except StoreUnavailable:
            self._subscribed = False
            raise

    def missed(self) -> None:
        """There was trouble: the next wait begins anew."""
        self._subscribed = False

    async def close(self) -> None:
        """Gives the connection back."""
        with suppress(StoreUnavailable):
            async with bounded():
                await self._pubsub.aclose()  # type: ignore[no-untyped-call]  # redis-py left it out

    async def _nudge(self, wait_s: float) -> None:
        async with bounded(wait_s + CALL_TIMEOUT_S):
            timeout_s = wait_s
            for _ in range(NUDGES_AT_ONCE):
                if not await self._pubsub.get_message(timeout=timeout_s):
                    return
                timeout_s = 0.0
