"""Where a primary is: asked of Sentinels, or of the nodes of a Cluster."""

import asyncio
from abc import ABC, abstractmethod
from typing import Any

from hasten_runtime.lean_imports import absent
from hasten_runtime.redis_store.addresses import ServersUrl
from hasten_runtime.redis_store.primary import ASK_S_MAX

with absent("opentelemetry.sdk"):  # For redis-py's own metrics, which we do not collect.
    from redis.asyncio import Redis
    from redis.exceptions import ConnectionError as RedisConnectionError
    from redis.exceptions import RedisError


class _Asked(ABC):
    """Servers that are asked one after the other; one that does not know is asked last from then
    on. Implements Whereabouts.
    """

    def __init__(self, clients: "list[tuple[str, Redis]]", nobody: str) -> None:
        self._clients = clients
        self._nobody = nobody

    async def primary(self) -> tuple[str, int]:
        """Its (host, port). Raises redis-py's ConnectionError when nobody knows."""
        for asked in tuple(self._clients):
            host, client = asked
            try:
                async with asyncio.timeout(ASK_S_MAX):
                    found = self._read(await self._ask(client))
            except (TimeoutError, RedisError, OSError):
                found = None
            if found is not None:
                # A node that was never told its own name says none: it is where it was asked.
                return found[0] or host, found[1]
            self._clients.remove(asked)
            self._clients.append(asked)
        raise RedisConnectionError(self._nobody)

    async def close(self) -> None:
        """Releases connections."""
        for _, client in self._clients:
            await client.aclose()

    @abstractmethod
    async def _ask(self, client: "Redis") -> Any:  # noqa: ANN401  (as Redis says)
        """Asks one."""

    @abstractmethod
    def _read(self, said: Any) -> tuple[str, int] | None:  # noqa: ANN401  (as Redis says)
        """What it said; None when it does not know."""


class Sentinels(_Asked):
    """Sentinels.

    Args:
        url: Which ones, and of whom.
        connection: How to connect to each.
    """

    def __init__(self, url: ServersUrl, connection: dict[str, Any]) -> None:
        count = len(url.hosts)
        super().__init__(
            [
                (host, Redis(host=host, port=port, password=url.sentinel_password, **connection))
                for host, port in url.hosts
            ],
            f"none of {count} Sentinels knows a primary {url.service!r}",
        )
        self._service = url.service

    async def _ask(self, client: "Redis") -> Any:  # noqa: ANN401  (as Redis says)
        return await client.execute_command(  # type: ignore[no-untyped-call]  # redis-py left it out
            "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service
        )

    def _read(self, said: Any) -> tuple[str, int] | None:  # noqa: ANN401  (as Redis says)
        return (_text(said[0]), int(said[1])) if said else None


class ClusterNodes(_Asked):
    """Nodes of a Cluster, for one slot of it.

    Args:
        url: Which ones.
        slot: Number of the slot.
        connection: How to connect to each.
    """

    def __init__(self, url: ServersUrl, slot: int, connection: dict[str, Any]) -> None:
        known: dict[str, Any] = {"username": url.username, "password": url.password}
        count = len(url.hosts)
        super().__init__(
            [
                (host, Redis(host=host, port=port, **known, **connection))
                for host, port in url.hosts
            ],
            f"none of {count} nodes of the Cluster knows who has slot {slot}",
        )
        self._slot = slot

    async def _ask(self, client: "Redis") -> Any:  # noqa: ANN401  (as Redis says)
        return await client.execute_command("CLUSTER", "SLOTS")  # type: ignore[no-untyped-call]  # as above

    def _read(self, said: Any) -> tuple[str, int] | None:  # noqa: ANN401  (as Redis says)
        # Of each range of slots: its bounds, its primary, its replicas.
        for low, high, *servers in said:
            if int(low) <= self._slot <= int(high) and servers:
                return _text(servers[0][0] or ""), int(servers[0][1])
        return None


def _text(said: object) -> str:
    return said.decode() if isinstance(said, bytes) else str(said)
