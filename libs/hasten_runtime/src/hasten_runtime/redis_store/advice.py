"""Says in time what of a Redis server's settings would lose data."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from redis.exceptions import ResponseError

from hasten_runtime.clock import SystemClock
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.redis_store.client import bounded, open_redis
from hasten_runtime.redis_store.durability import (
    NO_DURABLE,
    SYNCED_TIMEOUT_S,
    Durability,
    Syncs,
    has_waitaof,
)

if TYPE_CHECKING:
    from redis.asyncio import Redis

SYNCS_TRIED: Final = 3
"""Synced writes whose time is taken."""
CANNOT_ASK: Final = (
    "This Redis does not tell its settings (CONFIG is not allowed): make sure that it has an"
    " append-only file and maxmemory-policy noeviction."
)


PROBE: Final = "hasten:probe"
"""What keys begin with that are written to see how long it takes."""


async def check_redis(url: str, durability: Durability | None = None) -> list[str]:
    """Sentences for the operator about a Redis that should keep data; empty when all is well.

    Load reports bear a loss and need none of this; accepted tasks do not. A server that is dead or
    does not let itself be asked is a sentence too.

    Args:
        url: As `open_redis` takes it.
        durability: With a class, one more sentence says what it costs here and what it can lose.

    Raises:
        ValueError: The server cannot keep what the class promises.
    """
    redis = open_redis(url, PROBE, connections_max=1)
    try:
        async with bounded():
            settings = await read_settings(redis)
        sentences = [f"{one.what}: {one.next_step}." for one in advice_on(settings)]
        if durability is not None:
            sentences.append(await _class(redis, durability, settings))
    except StoreUnavailable as error:
        if isinstance(error.__cause__, ResponseError):
            return [CANNOT_ASK]
        return [f"Redis cannot be checked: {error}."]
    finally:
        await redis.aclose()
    return sentences


EVICTION: Final = "maxmemory-policy"
_SETTINGS: Final = ("appendonly", "appendfsync", EVICTION, "maxmemory")


@dataclass(frozen=True, slots=True)
class Advice:
    """What a setting would lose.

    Attributes:
        setting: Its name.
        what: What it does, without a full stop.
        next_step: What to set instead.
    """

    setting: str
    what: str
    next_step: str


async def read_settings(redis: "Redis") -> dict[str, str]:
    """The server's settings that keep data, or not. Call it inside `bounded`."""
    # One by one: Redis 6 takes one name a time, and "*" would fetch the password.
    answers = [await redis.config_get(name) for name in _SETTINGS]
    return {_text(k): _text(v) for answer in answers for k, v in answer.items()}


async def _class(redis: "Redis", durability: Durability, settings: Mapping[str, str]) -> str:
    if settings.get("appendonly") != "yes":
        if durability is Durability.DURABLE:
            raise ValueError("DURABLE needs an append-only file: set `appendonly yes`.")
        return "FAST: a crash of Redis loses what was accepted since its last snapshot."
    fsync = settings.get("appendfsync", "everysec")
    if durability is Durability.FAST:
        return _FAST_LOSES.get(fsync, _FAST_LOSES["everysec"])
    if fsync == "no":
        raise ValueError("DURABLE needs a file that is synced: set `appendfsync always`.")
    async with bounded():
        waitaof = await has_waitaof(redis)
    if not waitaof and fsync != "always":
        raise ValueError(f"{NO_DURABLE}.")
    told = f"DURABLE: an acceptance waits for the disk, {await _sync_s(redis) * 1000:.1f} ms here"
    if fsync == "always":
        return f"{told} (appendfsync always); a power cut loses nothing that was acknowledged."
    return (
        f"{told} (appendfsync {fsync}); a power cut loses no acknowledged task, but may have the"
        " last ones that ended run again. `appendfsync always` is quicker and spares that."
    )


_FAST_LOSES: Final = {
    "always": "FAST: with appendfsync always a power cut loses nothing that was acknowledged.",
    "everysec": "FAST: an acceptance waits for no disk; a crash of Redis loses nothing, a power cut"
    " the last second or two (appendfsync everysec).",
    "no": "FAST: an acceptance waits for no disk; a crash of Redis loses nothing, a power cut what"
    " the system had not written, half a minute perhaps (appendfsync no).",
}


async def _sync_s(redis: "Redis") -> float:
    """Longest of a few synced writes, in seconds."""
    key = f"{{{PROBE}}}:{secrets.token_hex(8)}"
    syncs = Syncs()
    clock = SystemClock()
    longest_s = 0.0
    for _ in range(SYNCS_TRIED):
        began_s = clock.now_s()
        async with bounded(SYNCED_TIMEOUT_S):
            await syncs.run(redis, "SET", key, "1", "PX", 10_000)
        longest_s = max(longest_s, clock.now_s() - began_s)
    return longest_s


def advice_on(settings: Mapping[str, str]) -> list[Advice]:
    """What of the settings would lose data."""
    advice: list[Advice] = []
    if settings.get("appendonly") != "yes":
        what = (
            "The append-only file is off, so that a crash of Redis loses what was accepted since"
            " its last snapshot"
        )
        advice.append(Advice("appendonly", what, "set `appendonly yes`"))
    policy = settings.get(EVICTION, "noeviction")
    if policy != "noeviction":
        what = f"{EVICTION} is {policy}, so that a full Redis throws data away without a word"
        advice.append(Advice(EVICTION, what, f"set `{EVICTION} noeviction`"))
    return advice


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
