"""The schedulers that live, as leases in Redis."""

from hasten_runtime.redis_store.client import open_redis
from hasten_runtime.redis_store.leased_map import LeasedMap
from hasten_runtime.redis_store.nudges import Nudges


class RedisPeers:
    """The `Peers` port over Redis; does no IO before its first call.

    Keys: `{<namespace>:schedulers}:*` is a leased map of name to news; who comes, leaves or has
    news is published on `<namespace>:schedulers`.

    Args:
        url: As `open_redis` takes it.
        namespace: Meshes with different ones do not see each other.
    """

    def __init__(self, url: str, *, namespace: str = "hasten") -> None:
        channel = f"{namespace}:schedulers"
        self._redis = open_redis(url, channel)
        self._map = LeasedMap(self._redis, channel, channel=channel)
        self._nudges = Nudges(self._redis, channel)

    async def announce(self, name: str, news: bytes, *, ttl_s: float) -> None:
        """Says that `name` lives; see the port."""
        await self._map.put(name, news, ttl_s=ttl_s)

    async def withdraw(self, name: str) -> None:
        """Says that `name` leaves; see the port."""
        await self._map.remove(name)

    async def present(self) -> set[str]:
        """Who lives; see the port."""
        return set(await self._map.entries())

    async def changed(self, wait_s: float) -> None:
        """Waits for a change; see the port."""
        await self._nudges.wait(wait_s)

    async def close(self) -> None:
        """Releases connections."""
        await self._nudges.close()
        await self._redis.aclose()
