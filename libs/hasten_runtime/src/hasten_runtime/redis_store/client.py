"""The one place that makes Redis clients."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from hasten_runtime.lean_imports import absent
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.redis_store.sentinel import SCHEME, PrimaryPool, SentinelUrl, once

with absent("opentelemetry.sdk"):  # For redis-py's own metrics, which we do not collect.
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.exceptions import RedisError
    from redis.maint_notifications import MaintNotificationsConfig

CONNECT_TIMEOUT_S: Final = 1.0
CONNECTIONS_MAX: Final = 8
CALL_TIMEOUT_S: Final = 1.0
"""Longest that a caller waits for one command, pool, connect and reply together."""


def open_redis(url: str, *, connections_max: int = CONNECTIONS_MAX) -> "Redis":
    """A client that sends each command at most once; does no IO yet. Call it inside `bounded`.

    redis-py repeats a command by itself when its reply is lost, ten times by default. The command
    may have been executed, so that a repeat can change the result; whoever can bear a repeat
    repeats it himself.

    Args:
        url: redis://, rediss:// or unix://, or redis+sentinel:// as in `SentinelUrl.parse`: then
            the primary is found anew whenever a connection is opened. Raises ValueError for another
            one.
        connections_max: Bound of the pool; who finds it empty waits CONNECT_TIMEOUT_S at most.
    """
    connection: dict[str, Any] = {
        "retry": once(),
        # redis-py writes through `asyncio.wait_for` when it has a timeout of its own; before
        # Python 3.12 that can swallow the cancellation of the task that writes.
        "socket_timeout": None,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "protocol": 2,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }
    most: dict[str, Any] = {"max_connections": connections_max, "timeout": CONNECT_TIMEOUT_S}
    if url.startswith(f"{SCHEME}:"):
        return Redis.from_pool(PrimaryPool(SentinelUrl.parse(url), connection, **most))
    return Redis.from_pool(BlockingConnectionPool.from_url(url, **connection, **most))


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
