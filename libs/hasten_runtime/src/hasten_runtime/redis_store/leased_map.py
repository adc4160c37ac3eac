"""A map in Redis whose entries vanish unless they are renewed."""

from typing import TYPE_CHECKING, Final

from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.redis_store.client import bounded
from hasten_runtime.redis_store.scripts import script

if TYPE_CHECKING:
    from redis.asyncio import Redis

ENTRIES_MAX: Final = 4096
"""Most entries in one map."""


class LeasedMap:
    """Entries with a time to live, measured by the server's clock alone.

    Every write is one idempotent script, so that a repeat after a lost reply does no harm.

    Args:
        redis: Not closed by the map.
        key: Name of the map; both of its Redis keys start with it and share a cluster slot.
        channel: Pub/sub channel that hears the id of each entry that comes, changes or is
            removed, but not of those that run out; "" for none.
    """

    def __init__(self, redis: "Redis", key: str, *, channel: str = "") -> None:
        self._channel = channel
        self._keys = [f"{{{key}}}:ends", f"{{{key}}}:values"]
        self._put = script(redis, "leased_map_put")
        self._remove = script(redis, "leased_map_remove")
        self._entries = script(redis, "leased_map_entries")

    async def put(self, entry_id: str, value: bytes, *, ttl_s: float) -> bytes | None:
        """Sets or renews an entry; returns what was there. Raises StoreUnavailable, also when the
        map is full.
        """
        ttl_ms = max(1, round(ttl_s * 1000))
        async with bounded():
            stored = await self._put(
                self._keys, [entry_id, value, ttl_ms, ENTRIES_MAX, self._channel]
            )
        if not stored:
            raise StoreUnavailable(f"{self._keys[0]} is full with {ENTRIES_MAX} entries")
        before: bytes | None = stored[0]
        return before

    async def remove(self, entry_id: str) -> None:
        """Removes an entry, if it is there. Raises StoreUnavailable."""
        async with bounded():
            await self._remove(self._keys, [entry_id, self._channel])

    async def entries(self) -> dict[str, bytes]:
        """All live entries, in one round trip. Raises StoreUnavailable."""
        async with bounded():
            flat = await self._entries(self._keys, [ENTRIES_MAX])
        ids = (entry_id.decode(errors="replace") for entry_id in flat[::2])
        return dict(zip(ids, flat[1::2], strict=True))
