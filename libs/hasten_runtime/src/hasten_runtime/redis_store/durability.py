"""What an acknowledged write survives."""

from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import RedisError, ResponseError

from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.redis_store.client import CALL_TIMEOUT_S, execute

if TYPE_CHECKING:
    from redis.asyncio import Redis

SYNC_TIMEOUT_S: Final = 5.0
"""Longest wait for a sync: `appendfsync everysec` may take two seconds on a busy disk."""
REPLICAS_TIMEOUT_S: Final = 0.2
"""Longest wait for replicas, after that."""
SYNCED_TIMEOUT_S: Final = SYNC_TIMEOUT_S + REPLICAS_TIMEOUT_S + CALL_TIMEOUT_S
"""Longest that a caller waits for one command and its syncs."""


class Durability(Enum):
    """Classes of durability."""

    FAST = "fast"
    """Acknowledged once Redis has it: a power cut can lose what Redis had not synced (a second or
    so), a failover what the replica had not yet got."""
    DURABLE = "durable"
    """Acknowledged once it is on the disk, and on as many replicas as were asked for."""


class Syncs:
    """Waits until a write is as safe as DURABLE promises.

    Redis answers WAITAOF and WAIT for what the *same connection* wrote before; on any other it
    answers at once without having waited. So both travel in the pipeline of the write.

    Args:
        replicas: Replicas that must have the write; 0 for none.
    """

    def __init__(self, replicas: int = 0) -> None:
        self._replicas = replicas
        self._always: bool | None = None

    async def run(self, redis: "Redis", *command: str | bytes | float) -> Any:  # noqa: ANN401  (as Redis says)
        """Sends a command that writes; returns its reply once the write is safe. Call it inside
        `bounded(SYNCED_TIMEOUT_S)`.

        Raises:
            StoreUnavailable: It was carried out, and may be lost.
        """
        if self._always is None:
            always = not await has_waitaof(redis)
            if always and not await syncs_always(redis):
                raise StoreUnavailable(NO_DURABLE)
            self._always = always
        waits = self._waits()
        if not waits:
            return await execute(redis, *command)
        try:
            return await self._run_and_wait(redis, command, waits)
        except (RedisError, OSError):
            # Perhaps another server answers at the address from now on.
            self._always = None
            raise

    def _waits(self) -> list[tuple[str | int, ...]]:
        waits: list[tuple[str | int, ...]] = []
        # With `appendfsync always` the reply to the write itself comes after the sync.
        if not self._always:
            waits.append(("WAITAOF", 1, 0, int(SYNC_TIMEOUT_S * 1000)))
        if self._replicas:
            waits.append(("WAIT", self._replicas, int(REPLICAS_TIMEOUT_S * 1000)))
        return waits

    async def _run_and_wait(
        self,
        redis: "Redis",
        command: tuple[str | bytes | float, ...],
        waits: list[tuple[str | int, ...]],
    ) -> Any:  # noqa: ANN401  (as Redis says)
        async with redis.pipeline(transaction=False) as pipe:
            pipe.execute_command(*command)
            for wait in waits:
                pipe.execute_command(*wait)
            reply, *acknowledged = await pipe.execute(raise_on_error=False)
        for one in (reply, *acknowledged):
            if isinstance(one, Exception):
                raise one
        for wait, got in zip(waits, acknowledged, strict=True):
            if wait[0] == "WAITAOF" and got[0] < 1:
                raise StoreUnavailable(f"Redis did not sync its file within {SYNC_TIMEOUT_S:g} s")
            if wait[0] == "WAIT" and got < self._replicas:
                raise StoreUnavailable(f"{got} of {self._replicas} replicas have the write")
        return reply


NO_DURABLE: Final = (
    "This Redis has no WAITAOF (it came with Redis 7.2), so that DURABLE needs"
    " `appendfsync always`: set it, take a newer server, or take the class FAST"
)


async def has_waitaof(redis: "Redis") -> bool:
    """The server knows the command, and we may use it."""
    try:
        await execute(redis, "WAITAOF", 0, 0, 0)
    except ResponseError:
        return False
    return True


async def syncs_always(redis: "Redis") -> bool:
    """The server has an append-only file, and syncs it before it answers. False when it does not
    let itself be asked.
    """
    try:
        told = {
            **await redis.config_get("appendonly"),
            **await redis.config_get("appendfsync"),
        }
    except ResponseError:
        return False
    values = {_text(key): _text(value) for key, value in told.items()}
    return values.get("appendonly") == "yes" and values.get("appendfsync") == "always"


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
