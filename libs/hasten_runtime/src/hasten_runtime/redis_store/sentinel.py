"""Connections to whichever server is the primary now, by what Sentinels say."""

import asyncio
import weakref
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import parse_qs, unquote, urlsplit

from hasten_runtime.lean_imports import absent

with absent("opentelemetry.sdk"):  # For redis-py's own metrics, which we do not collect.
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.asyncio.sentinel import SentinelManagedConnection
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError as RedisConnectionError
    from redis.exceptions import RedisError

SCHEME: Final = "redis+sentinel"
PORT: Final = 26379
ASK_S_MAX: Final = 0.25
"""Longest wait for one Sentinel, where a caller waits a second for all of it."""
LOOK_S: Final = 0.5
"""Pace of questions whether the primary is still the same."""
_FORM: Final = "redis+sentinel://[user:password@]host[:port][,host[:port]...]/name[/database]"


@dataclass(frozen=True, slots=True)
class SentinelUrl:
    """What such a URL says.

    Attributes:
        sentinels: (host, port) of each.
        service: What they call the primary.
        database: Number of the database.
        username: For the primary; None for none.
        password: For the primary; None for none.
        sentinel_password: For the Sentinels; None for none.
    """

    sentinels: tuple[tuple[str, int], ...]
    service: str
    database: int
    username: str | None
    password: str | None
    sentinel_password: str | None

    @classmethod
    def parse(cls, url: str) -> Self:
        """Reads redis+sentinel://[user:password@]host[:port][,...]/name[/database], and
        ?sentinel_password=... after it.

        Raises:
            ValueError: It is none of these.
        """
        parts = urlsplit(url)
        user, _, hosts = parts.netloc.rpartition("@")
        username, _, password = user.partition(":")
        service, _, database = parts.path.strip("/").partition("/")
        found = tuple(_address(host) for host in hosts.split(",") if host)
        if parts.scheme != SCHEME or not found or not service:
            raise ValueError(f"not of the form {_FORM}")
        if database and not database.isdecimal():
            raise ValueError(f"the database is no number: not of the form {_FORM}")
        said = parse_qs(parts.query).get("sentinel_password")
        return cls(
            sentinels=found,
            service=unquote(service),
            database=int(database or 0),
            username=unquote(username) or None,
            password=unquote(password) or None,
            sentinel_password=said[0] if said else None,
        )


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        return text.strip("[]"), PORT
    if not host or not port.isdecimal():
        raise ValueError(f"{text!r} is no host:port")
    return host.strip("[]"), int(port)


class Sentinels:
    """Asks Sentinels where the primary is; one that does not answer is asked last from then on.

    Args:
        url: Which ones.
        connection: How to connect to each.
    """

    def __init__(self, url: SentinelUrl, connection: dict[str, Any]) -> None:
        self._service = url.service
        self._clients = [
            Redis(host=host, port=port, password=url.sentinel_password, **connection)
            for host, port in url.sentinels
        ]

    async def primary(self) -> tuple[str, int]:
        """Its (host, port). Raises redis-py's ConnectionError when no Sentinel knows."""
        for client in tuple(self._clients):
            try:
                async with asyncio.timeout(ASK_S_MAX):
                    said: Any = await client.execute_command(  # type: ignore[no-untyped-call]  # redis-py left it out
                        "SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service
                    )
            except (TimeoutError, RedisError, OSError):
                said = None
            if said:
                host, port = said
                return host.decode() if isinstance(host, bytes) else host, int(port)
            self._clients.remove(client)
            self._clients.append(client)
        count = len(self._clients)
        raise RedisConnectionError(f"none of {count} Sentinels knows a primary {self._service!r}")

    async def close(self) -> None:
        """Releases connections."""
        for client in self._clients:
            await client.aclose()


class PrimaryPool(BlockingConnectionPool):
    """Connections to the primary: each asks where that is when it is opened.

    While there are connections the Sentinels are asked again and again: one that leads to a server
    which hangs, and which is the primary no more, would else keep its caller waiting.

    Args:
        url: Of the Sentinels.
        connection: How to connect to a Sentinel.
        most: As BlockingConnectionPool.
    """

    is_master = True
    check_connection = False

    def __init__(self, url: SentinelUrl, connection: dict[str, Any], **most: Any) -> None:  # noqa: ANN401  (redis-py's)
        super().__init__(
            connection_class=SentinelManagedConnection,
            db=url.database,
            username=url.username,
            password=url.password,
            **connection,
            **most,
        )
        self.connection_kwargs["connection_pool"] = weakref.proxy(self)
        self._sentinels = Sentinels(url, connection)
        self._address: tuple[str, int] | None = None
        self._watching: asyncio.Task[None] | None = None

    async def get_master_address(self) -> tuple[str, int]:
        """Asked by each connection before it is opened."""
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch(), name="sentinel-watch")
        address = await self._sentinels.primary()
        await self._leads_to(address)
        return address

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            with suppress(RedisError, OSError):
                await self._leads_to(await self._sentinels.primary())

    async def _leads_to(self, address: tuple[str, int]) -> None:
        before, self._address = self._address, address
        if before not in {None, address}:
            await self.disconnect()

    async def aclose(self) -> None:
        """Releases connections."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        await super().aclose()
        await self._sentinels.close()


def once() -> Retry:
    """No command is sent twice."""
    return Retry(NoBackoff(), 0)
