"""What the owner of a shard wants to know at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from hasten_runtime import logs
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.redis_store.client import CALL_TIMEOUT_S, bounded
from hasten_runtime.redis_store.queue.lanes import lane_from_bytes
from hasten_runtime.tasks.wake import Wake

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import PubSub

    from hasten_policy.scheduler.tasks import Lane

_log = logs.logger(__name__)

SILENCE_S: Final = 5.0
"""After so long without a word the connection is asked whether it lives."""
PAUSE_S: Final = 0.5
"""Between two tries to listen."""


class WakeListener:
    """Listens to a shard's channel, again after each break."""

    def __init__(self, redis: "Redis", channel: bytes, shard: int) -> None:
        self._redis = redis
        self._channel = channel
        self._shard = shard

    async def listen(self) -> AsyncIterator[Wake]:
        """What is said from now on; an empty Wake each time that it begins to listen."""
        broken = False
        while True:
            if broken:
                await asyncio.sleep(PAUSE_S)
            broken = True
            pubsub = self._redis.pubsub(ignore_subscribe_messages=False)
            try:
                async with bounded():
                    await pubsub.subscribe(self._channel)
                    await pubsub.get_message(timeout=CALL_TIMEOUT_S)
                yield Wake(self._shard)
                while True:
                    message = await self._next(pubsub)
                    if message is not None:
                        yield message
            except StoreUnavailable as error:
                _log.warning(
                    "task_queue.deaf",
                    shard=self._shard,
                    reason=str(error),
                    help="polled until it is back; look at the setting redis_url",
                )
            finally:
                with suppress(StoreUnavailable):
                    async with bounded():
                        await pubsub.aclose()  # type: ignore[no-untyped-call]  # redis-py left it out

    async def _next(self, pubsub: "PubSub") -> Wake | None:
        async with bounded(SILENCE_S + 2 * CALL_TIMEOUT_S):
            message = await pubsub.get_message(timeout=SILENCE_S)
            if message is None:
                await pubsub.ping()
                message = await pubsub.get_message(timeout=CALL_TIMEOUT_S)
                if message is None:
                    raise StoreUnavailable("Redis does not answer where it should tell of tasks")
        if message["type"] != "message":
            return None
        try:
            return wake_from_bytes(self._shard, message["data"])
        except ValueError as error:
            _log.warning("task_queue.bad_wake", shard=self._shard, reason=str(error))
            return Wake(self._shard)


def wake_from_bytes(shard: int, data: bytes) -> Wake:
    """What `tell` and `grew` wrote, of the jobs' scripts `wake`. Raises ValueError."""
    grew: list[tuple[Lane, float]] = []
    ids: dict[bytes, list[str]] = {b"r": [], b"l": [], b"j": []}
    paused = later = False
    for line in data.split(b"\n"):
        kind, rest = line[:1], line[1:]
        if kind == b"g":
            place, _, lane = rest.partition(b" ")
            grew.append((lane_from_bytes(lane), float(place)))
        elif kind == b"p":
            paused = True
        elif kind == b"t":
            later = True
        elif kind in ids:
            ids[kind].append(rest.decode())
        else:
            raise ValueError(f"a wake of an unknown kind: {kind!r}")
    revoked, left, jobs = map(tuple, ids.values())
    return Wake(shard, tuple(grew), revoked, left, paused, jobs, later)
