"""Streams of changes, over all shards, that go on at a position."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final

from hasten.scheduler.v1 import scheduler_service_pb2 as pb
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.errors import MeshError
from hasten_runtime.tasks.port import Change
from hasten_scheduler import views
from hasten_scheduler.feed import ShardFeed
from hasten_scheduler.intake import ShardDoor
from hasten_scheduler.naming import refuse_field

WATCHERS_MAX: Final = 256
UNREAD_MAX: Final = 16
"""Batches of changes that wait for a slow watcher; then the shards are read no further for it."""
_BETWEEN: Final = ","


class Watchers:
    """Serves those who watch.

    Args:
        doors: The shards, by number.
        feeds: Of the shards.
    """

    def __init__(self, doors: Sequence[ShardDoor], feeds: Sequence[ShardFeed]) -> None:
        self._doors = doors
        self._feeds = feeds
        self.watching = 0

    async def watch(
        self, wanted: pb.WatchTasksRequest
    ) -> AsyncGenerator[pb.WatchTasksResponse, None]:
        """Changes from a position on, until the caller leaves. Raises MeshError."""
        positions = await self._positions(wanted.position)
        if self.watching >= WATCHERS_MAX:
            raise MeshError(
                Refusal(
                    Reason.OVERLOADED, f"{WATCHERS_MAX} callers watch already", retry_after_s=5.0
                )
            )
        self.watching += 1
        batches: asyncio.Queue[tuple[int, list[Change]]] = asyncio.Queue(UNREAD_MAX)
        followers = [
            asyncio.create_task(_follow(shard, feed, positions[shard], batches), name="watch")
            for shard, feed in enumerate(self._feeds)
        ]
        try:
            yield pb.WatchTasksResponse(position=_BETWEEN.join(positions))
            while True:
                shard, changes = await batches.get()
                positions[shard] = changes[-1].position
                told = [views.change_to_wire(one) for one in changes if _wants(one, wanted)]
                if told:
                    yield pb.WatchTasksResponse(changes=told, position=_BETWEEN.join(positions))
        finally:
            self.watching -= 1
            for follower in followers:
                follower.cancel()
            await asyncio.wait(followers)

    async def _positions(self, position: str) -> list[str]:
        if not position:
            return [await door.ask(lambda queue: queue.newest()) for door in self._doors]
        positions = position.split(_BETWEEN)
        if len(positions) != len(self._doors):
            refuse_field("position", "must be one that this scheduler gave")
        return positions


async def _follow(
    shard: int,
    feed: ShardFeed,
    position: str,
    batches: "asyncio.Queue[tuple[int, list[Change]]]",
) -> None:
    async with aclosing(feed.after(position)) as following:
        async for changes in following:
            await batches.put((shard, changes))


def _wants(change: Change, wanted: pb.WatchTasksRequest) -> bool:
    if wanted.HasField("tenant") and change.lane.tenant != wanted.tenant:
        return False
    return not wanted.model or change.lane.model == wanted.model
