"""The one place that makes Consul clients, and what Consul writes in a way of its own."""

import warnings
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import consul.aio
from consul.base import Response

CONNECTIONS_MAX: Final = 16
ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024
"""Thousands of instances; who answers with more is no Consul that we want to hear."""


def open_consul(
    address: str, *, token: str | None, datacenter: str | None, timeout_s: float
) -> Any:  # noqa: ANN401  (py-consul has no types)
    """A client of an agent; made inside the running loop, to which it belongs.

    Args:
        address: host:port of the agent's HTTP API; https:// in front makes it TLS.
        token: ACL token, None for none; CONSUL_HTTP_TOKEN in the environment wins.
        datacenter: None for the agent's own.
        timeout_s: Of the longest call; whoever wants a shorter one bounds it himself.
    """
    scheme, host, port = parse(address)
    with warnings.catch_warnings():
        # py-consul 1.8 hands aiohttp its TLS options by their old names.
        warnings.simplefilter("ignore", DeprecationWarning)
        return _Consul(
            host,
            port,
            token=token,
            dc=datacenter,
            scheme=scheme,
            verify=scheme == "https",
            connections_limit=CONNECTIONS_MAX,
            connections_timeout=timeout_s,
        )


class _BoundedHttp(consul.aio.HTTPClient):  # type: ignore[misc]  # py-consul has no types
    """py-consul's client, which would read an answer of any length."""

    async def _request(  # noqa: PLR0913, PLR0917  (as the library calls it)
        self,
        callback: Callable[[Response], Any],
        method: str,
        uri: str,
        headers: dict[str, str] | None,
        data: str | bytes | None = None,
        connections_timeout: float | None = None,
        raw: bool = False,  # noqa: FBT001, FBT002
    ) -> Any:  # noqa: ANN401  (what the callback makes of it)
        del connections_timeout  # Whoever wants a time of his own bounds it himself.
        try:
            return callback(await self._answer(method, uri, headers, data, raw=raw))
        except aiohttp.ClientConnectionError:
            # The name may have moved: it is looked up anew, not remembered for ten seconds.
            if isinstance(self._session.connector, aiohttp.TCPConnector):
                self._session.connector.clear_dns_cache()
            raise

    async def _answer(
        self,
        method: str,
        uri: str,
        headers: dict[str, str] | None,
        data: str | bytes | None,
        *,
        raw: bool,
    ) -> Response:
        asked = self._session.request(method, uri, headers=headers, data=data)
        async with asked as answer:
            body = bytearray()
            async for piece in answer.content.iter_any():
                body += piece
                if len(body) > ANSWER_BYTES_MAX:
                    answer.close()
                    raise aiohttp.ClientPayloadError(
                        f"Consul's answer has more than {ANSWER_BYTES_MAX} bytes"
                    )
        return Response(answer.status, answer.headers, bytes(body) if raw else body.decode())


class _Consul(consul.aio.Consul):  # type: ignore[misc]
    def http_connect(
        self,
        host: str,
        port: int,
        scheme: str,
        verify: bool | str = True,  # noqa: FBT001, FBT002
        cert: Any = None,  # noqa: ANN401
    ) -> _BoundedHttp:
        """A client with bounds."""
        return _BoundedHttp(
            host,
            port,
            scheme,
            connections_limit=self.connections_limit,
            connections_timeout=self.connections_timeout,
            verify=verify,
            cert=cert,
        )


def duration(seconds: float) -> str:
    """As Consul writes durations."""
    return f"{max(1, round(seconds * 1000))}ms"


def split(address: str) -> tuple[str, int]:
    """Host, without brackets, and port. Raises ValueError."""
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def parse(address: str) -> tuple[str, str, int]:
    """Scheme, host as in a URL, and port of an agent's HTTP API. Raises ValueError."""
    scheme, separator, rest = address.rpartition("://")
    host, port = split(rest.rstrip("/"))
    if (separator and scheme not in {"http", "https"}) or not host:
        raise ValueError(f"a Consul address is host:port or http(s)://host:port, not {address!r}")
    return scheme or "http", f"[{host}]" if ":" in host else host, port
