"""The one place that makes Consul clients, and what Consul writes in a way of its own."""

import warnings
from typing import Any, Final

import consul.aio

CONNECTIONS_MAX: Final = 16


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
        return consul.aio.Consul(
            host,
            port,
            token=token,
            dc=datacenter,
            scheme=scheme,
            verify=scheme == "https",
            connections_limit=CONNECTIONS_MAX,
            connections_timeout=timeout_s,
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
