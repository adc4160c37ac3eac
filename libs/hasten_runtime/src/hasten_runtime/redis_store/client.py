"""The one place that makes Redis clients."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from hasten_runtime.lean_imports import absent
from hasten_runtime.load_store import StoreUnavailable

with absent("opentelemetry.sdk"):  # For redis-py's own metrics, which we do not collect.
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
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
        url: redis://, rediss:// or unix://. Raises ValueError for another one.
        connections_max: Bound of the pool; who finds it empty waits CONNECT_TIMEOUT_S at most.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections_max,
        timeout=CONNECT_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        # redis-py writes through `asyncio.wait_for` when it has a timeout of its own; before
        # Python 3.12 that can swallow the cancellation of the task that writes.
        socket_timeout=None,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        protocol=2,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    return Redis.from_pool(pool)


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
