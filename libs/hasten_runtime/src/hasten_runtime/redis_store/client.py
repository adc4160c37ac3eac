"""The one place that makes Redis clients."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from hasten_runtime.lean_imports import absent
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.redis_store.addresses import CLUSTER, PORTS, SENTINEL, ServersUrl
from hasten_runtime.redis_store.primary import PrimaryPool
from hasten_runtime.redis_store.whereabouts import ClusterNodes, Sentinels

with absent("opentelemetry.sdk"):  # For redis-py's own metrics, which we do not collect.
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.crc import key_slot
    from redis.exceptions import RedisError
    from redis.maint_notifications import MaintNotificationsConfig

CONNECT_TIMEOUT_S: Final = 1.0
CONNECTIONS_MAX: Final = 8
CALL_TIMEOUT_S: Final = 1.0
"""Longest that a caller waits for one command, pool, connect and reply together."""


def open_redis(url: str, key: str = "", *, connections_max: int = CONNECTIONS_MAX) -> "Redis":
    """A client that sends each command at most once; does no IO yet. Call it inside `bounded`.

    redis-py repeats a command by itself when its reply is lost, ten times by default. The command
    may have been executed, so that a repeat can change the result; whoever can bear a repeat
    repeats it himself.

    Args:
        url: redis://, rediss:// or unix://, or redis+sentinel:// or redis+cluster:// as in
            `ServersUrl.parse`: then the primary is found anew whenever a connection is opened.
            Raises ValueError for another one.
        key: Of a Cluster the client reaches the keys in the slot of this one, and no others.
        connections_max: Bound of the pool; who finds it empty waits CONNECT_TIMEOUT_S at most.
    """
    connection: dict[str, Any] = {
        "retry": Retry(NoBackoff(), 0),
        # redis-py writes through `asyncio.wait_for` when it has a timeout of its own; before
        # Python 3.12 that can swallow the cancellation of the task that writes.
        "socket_timeout": None,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "protocol": 2,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    most: dict[str, Any] = {"max_connections": connections_max, "timeout": CONNECT_TIMEOUT_S}
    if url.partition(":")[0] not in PORTS:
        return Redis.from_pool(BlockingConnectionPool.from_url(url, **connection, **most))
    servers = ServersUrl.parse(url)
    whereabouts = (
        Sentinels(servers, connection)
        if servers.scheme == SENTINEL
        else ClusterNodes(servers, slot_of(key), connection)
    )
    pool = PrimaryPool(
        whereabouts,
        db=servers.database,
        username=servers.username,
        password=servers.password,
        **connection,
        **most,
    )
    return Redis.from_pool(pool)


def slot_of(key: str) -> int:
    """The slot of a key in a Cluster."""
    return int(key_slot(key.encode()))


class RedisClients:
    """Clients of one store, for keys that need not lie in one slot; does no IO yet.

    Args:
        url: As `open_redis`.
        connections_max: As `open_redis`, of each client.
    """

    def __init__(self, url: str, *, connections_max: int = CONNECTIONS_MAX) -> None:
        self._url = url
        self._connections_max = connections_max
        self._slots = url.startswith(f"{CLUSTER}:")
        self._clients: dict[int, Redis] = {}
        self.of("")  # A wrong URL is known at once.

    def of(self, key: str) -> "Redis":
        """The client for a key: one for all, or one for its slot of a Cluster."""
        slot = slot_of(key) if self._slots else 0
        if slot not in self._clients:
            self._clients[slot] = open_redis(self._url, key, connections_max=self._connections_max)
        return self._clients[slot]

    async def aclose(self) -> None:
        """Closes all."""
        for client in self._clients.values():
            await client.aclose()


async def execute(redis: "Redis", *words: str | bytes | float) -> Any:  # noqa: ANN401  (as Redis says)
    """Sends one command as it is, at most once; call it inside `bounded`."""
    return await redis.execute_command(*words)  # type: ignore[no-untyped-call]  # redis-py left it out


@asynccontextmanager
async def bounded(timeout_s: float = CALL_TIMEOUT_S) -> AsyncIterator[None]:
    """Everything that Redis can do wrong, lateness included, becomes StoreUnavailable."""
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError as error:
        raise StoreUnavailable(f"Redis did not answer within {timeout_s:g} s") from error
    except (RedisError, OSError) as error:
        raise StoreUnavailable(f"Redis: {error}") from error
