"""The shard's feed of changes."""

from typing import TYPE_CHECKING, Any, Final

from hasten_runtime import logs
from hasten_runtime.redis_store.client import CALL_TIMEOUT_S, bounded
from hasten_runtime.redis_store.queue.lanes import lane_from_bytes
from hasten_runtime.tasks.port import Change, State

if TYPE_CHECKING:
    from redis.asyncio import Redis

_log = logs.logger(__name__)

ENTRIES_AT_ONCE: Final = 256
"""Entries in one read: each is what one call changed."""


class ChangeFeed:
    """Reads the stream that the scripts write.

    The id of an entry is the era of the feed and the number of its last change; positions are made
    of the same two, so that reading goes on in the middle of an entry.

    Args:
        redis: Its connections may be kept waiting.
        key: Of the stream.
    """

    def __init__(self, redis: "Redis", key: bytes) -> None:
        self._redis = redis
        self._key = key

    async def read(self, after: str, most: int, wait_s: float) -> list[Change]:
        """Changes after a position; see the port. Raises StoreUnavailable, and ValueError for what
        is no position.
        """
        start = _position(after) if after else (0, 0)
        changes = _changes(await self._entries(start, wait_s), start)
        if not changes and start > await self._newest():
            # The feed was restored from an older copy: what is new in it has positions from before.
            changes = _changes(await self._entries((0, 0), 0.0), (0, 0))
        return changes[:most]

    async def newest(self) -> str:
        """Position of the newest change; "" when there was none. Raises StoreUnavailable."""
        era, number = await self._newest()
        return f"{era}-{number}" if era else ""

    async def _entries(self, start: tuple[int, int], wait_s: float) -> list[Any]:
        block = {"block": max(1, round(wait_s * 1000))} if wait_s > 0 else {}
        async with bounded(wait_s + CALL_TIMEOUT_S):
            streams: Any = await self._redis.xread(
                {self._key: f"{start[0]}-{start[1]}"}, count=ENTRIES_AT_ONCE, **block
            )
        return list(streams[0][1]) if streams else []

    async def _newest(self) -> tuple[int, int]:
        async with bounded():
            entries: Any = await self._redis.xrevrange(self._key, count=1)
        return _position(entries[0][0].decode()) if entries else (0, 0)


def _position(text: str) -> tuple[int, int]:
    era, _, number = text.partition("-")
    return int(era), int(number)


def _changes(entries: list[Any], start: tuple[int, int]) -> list[Change]:
    found: list[Change] = []
    for entry_id, fields in entries:
        era, last = _position(entry_id.decode())
        try:
            told = [
                (line, lane_from_bytes(name))
                for name, lines in fields.items()
                for line in lines.decode().split("\n")
            ]
            changes = [
                Change(f"{era}-{number}", line[1:], State(int(line[:1])), lane)
                for number, (line, lane) in enumerate(told, last - len(told) + 1)
                if (era, number) > start
            ]
        except ValueError as error:
            _log.warning("task_queue.bad_change", entry=entry_id.decode(), reason=str(error))
            continue
        found += changes
    return found
