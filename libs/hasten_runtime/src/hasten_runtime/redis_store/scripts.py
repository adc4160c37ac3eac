"""The Lua scripts of this folder."""

import functools
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript


def script(redis: "Redis", name: str) -> "AsyncScript":
    """The script `name`.lua, called with keys and arguments; sent again to a server without it."""
    return redis.register_script(_source(name))


@functools.cache
def _source(name: str) -> str:
    return (resources.files(__package__) / f"{name}.lua").read_text()
