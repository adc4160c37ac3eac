"""The one place that makes Consul clients."""

import warnings
from typing import Any, Final

import consul.aio

from hasten_runtime.discovery import consul_wire

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
    scheme, host, port = consul_wire.parse(address)
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
