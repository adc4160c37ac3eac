"""How this client's channels are set up."""

import json
from collections.abc import Sequence
from typing import Final

from hasten_client.errors import InvalidArgument

MESSAGE_SIZE_BYTES_MAX: Final = 2**31 - 1
"""Largest message: protobuf's own limit. Servers set lower ones."""

# Detects a silent server during a call. A ping needs its own timeout besides the keepalive
# timeout, else a stopped process goes unnoticed for a minute. Ten seconds, only while a call
# is open, at most two without data: a server with default settings tolerates that.
_KEEPALIVE_TIME_MS: Final = 10_000
_KEEPALIVE_TIMEOUT_MS: Final = 3_000

_PORT_MAX: Final = 65_535

Options = Sequence[tuple[str, str | int]]


def options(address: str, extra: Options = ()) -> list[tuple[str, str | int]]:
    """Channel options for an address; those of `extra` win."""
    chosen: dict[str, str | int] = {
        "grpc.max_send_message_length": MESSAGE_SIZE_BYTES_MAX,
        "grpc.max_receive_message_length": MESSAGE_SIZE_BYTES_MAX,
        "grpc.keepalive_time_ms": _KEEPALIVE_TIME_MS,
        "grpc.keepalive_timeout_ms": _KEEPALIVE_TIMEOUT_MS,
        "grpc.http2.ping_timeout_ms": _KEEPALIVE_TIMEOUT_MS,
        "grpc.http2.max_pings_without_data": 2,
        # A router that was restarted is found again at once.
        "grpc.initial_reconnect_backoff_ms": 100,
        "grpc.max_reconnect_backoff_ms": 3_000,
        # A name with several addresses means several routers: use them all.
        "grpc.service_config": json.dumps({"loadBalancingConfig": [{"round_robin": {}}]}),
    }
    if "," in address:
        # gRPC would take the whole list for the server's name, which is none for stricter servers.
        chosen["grpc.default_authority"] = _first_of(address)
    if _is_loopback(address):
        chosen["grpc.enable_http_proxy"] = 0
    # gRPC takes the first of two values for one option: there must not be two.
    return list({**chosen, **dict(extra)}.items())


def check_address(address: str) -> str:
    """The address unchanged. Raises InvalidArgument unless it looks like one of gRPC's."""
    host, separator, port = address.rpartition(":")
    if "/" in address or address.startswith(("unix:", "dns:", "ipv4:", "ipv6:")):
        return address
    if not separator or not host or not port.isdigit() or not 0 < int(port) <= _PORT_MAX:
        raise InvalidArgument(
            f"address: needs host:port, for example localhost:8001; got {address!r}"
        )
    return address


def _first_of(addresses: str) -> str:
    """The first of a list like "ipv4:10.0.0.1:8001,10.0.0.2:8001"."""
    first = addresses.partition(",")[0]
    for scheme in ("ipv4:", "ipv6:"):
        first = first.removeprefix(scheme)
    return first.lstrip("/")


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0]
    return host in {"localhost", "[::1]"} or host.startswith("127.")
