"""Says in time what of a Redis server's settings would lose data."""

from collections.abc import Mapping
from typing import Final

from redis.exceptions import ResponseError

from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.redis_store.client import bounded, open_redis

CANNOT_ASK: Final = (
    "This Redis does not tell its settings (CONFIG is not allowed): make sure that it has an"
    " append-only file and maxmemory-policy noeviction."
)


async def check_redis(url: str) -> list[str]:
    """Sentences for the operator about a Redis that should keep data; empty when all is well.

    Load reports bear a loss and need none of this; accepted tasks do not. Never raises for a
    server that is dead or does not let itself be asked: that is a sentence too.
    """
    redis = open_redis(url, connections_max=1)
    try:
        async with bounded():
            # One by one: Redis 6 takes one name a time, and "*" would fetch the password.
            answers = [await redis.config_get(name) for name in ("appendonly", "maxmemory-policy")]
    except StoreUnavailable as error:
        if isinstance(error.__cause__, ResponseError):
            return [CANNOT_ASK]
        return [f"Redis cannot be checked: {error}."]
    finally:
        await redis.aclose()
    return _advice({_text(k): _text(v) for answer in answers for k, v in answer.items()})


def _advice(settings: Mapping[str, str]) -> list[str]:
    sentences: list[str] = []
    if settings.get("appendonly") != "yes":
        sentences.append(
            "The append-only file is off, so that a crash of Redis loses what was accepted since"
            " its last snapshot: set `appendonly yes`."
        )
    policy = settings.get("maxmemory-policy", "noeviction")
    if policy != "noeviction":
        sentences.append(
            f"maxmemory-policy is {policy}, so that a full Redis throws data away without a word:"
            " set `maxmemory-policy noeviction`."
        )
    return sentences


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
