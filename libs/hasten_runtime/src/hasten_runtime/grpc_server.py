"""The one way in which the mesh opens servers.

The options bound what a single peer can take: streams on a connection, a connection that never
finishes its handshake, pings, metadata, message size. They allow the pace of pings that
`grpc_client` keeps.
"""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import grpc

from hasten_runtime.handlers import RefusalInterceptor
from hasten_runtime.health import Health
from hasten_runtime.message_limit import GRPC_BYTES_MAX, MessageLimit
from hasten_runtime.reflection import add_reflection

__all__ = [
    "Health",
    "ServerLimits",
    "add_health",
    "add_reflection",
    "bind",
    "listening",
    "make_server",
]


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """Bounds of one server.

    Attributes:
        message_bytes_max: Largest message, either way; a larger one ends its call with
            RESOURCE_EXHAUSTED.
        message_variable: Name of the variable that sets this, to be told to whoever meets it.
        streams_max: Calls that one connection may have open; further ones wait at the client. A
            call that has ended counts until it is torn down, so a client that uses most of the
            limit is turned away now and then: keep it several times what one client needs.
        calls_max: Calls open on the whole server; further ones are refused with
            RESOURCE_EXHAUSTED. None for no limit of its own.
        pending_soft: Calls that may wait to be taken on, those of inference apart from all
            others. Beyond it gRPC itself cuts some of those that come, with CANCELLED and no
            reason, ...
        pending_max: ... and with so many all. A cut costs a fraction of the cheapest refusal of
            our own: this bounds the age of calls when more come than can even be refused.
        handshake_s: A connection that has not finished its handshake by then is closed.
        metadata_bytes_max: Metadata above this may be refused, above twice this always is.
        ping_interval_s_min: A peer that pings more often is cut off.
        ping_s: A connection that is silent for this long is pinged.
        ping_timeout_s: A ping unanswered for this long breaks the connection.
        connection_age_s: Clients of older connections are asked to connect anew, while their open
            calls go on; gRPC draws each connection's age within a tenth of this. None keeps them.
        connection_grace_s: Time for the open calls of such a connection.
    """

    message_bytes_max: int = GRPC_BYTES_MAX
    message_variable: str = ""
    streams_max: int = 1000
    calls_max: int | None = None
    pending_soft: int = 1000
    pending_max: int = 3000
    handshake_s: float = 3.0
    metadata_bytes_max: int = 16 * 1024
    ping_interval_s_min: float = 0.3
    ping_s: float = 5.0
    ping_timeout_s: float = 2.0
    connection_age_s: float | None = None
    connection_grace_s: float = 3600.0

    @property
    def message_limit(self) -> MessageLimit:
        """The limit on messages that come in."""
        return MessageLimit(self.message_bytes_max, self.message_variable)


def make_server(
    limits: ServerLimits | None = None,
    *,
    interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
    reuse_port: bool = False,
) -> grpc.aio.Server:
    """A server with bounds, without services or a port yet.

    Handlers may raise `MeshError`: the innermost interceptor turns it, and anything unexpected,
    into the refusal's status and details.

    Args:
        limits: Bounds; the defaults when None.
        interceptors: Outermost first.
        reuse_port: Several processes may listen on one port; the kernel shares connections out.
    """
    chosen = limits or ServerLimits()
    return grpc.aio.server(
        interceptors=[*interceptors, RefusalInterceptor(chosen.message_limit)],
        options=server_options(chosen, reuse_port=reuse_port),
        maximum_concurrent_rpcs=chosen.calls_max,
    )


def server_options(limits: ServerLimits, *, reuse_port: bool) -> list[tuple[str, str | int]]:
    """The limits as gRPC channel arguments."""
    options: list[tuple[str, str | int]] = [
        ("grpc.so_reuseport", int(reuse_port)),
        ("grpc.max_send_message_length", limits.message_bytes_max),
        ("grpc.max_receive_message_length", limits.message_limit.received_bytes_max),
        ("grpc.max_metadata_size", limits.metadata_bytes_max),
        ("grpc.absolute_max_metadata_size", 2 * limits.metadata_bytes_max),
        # One connection that opens and resets streams as fast as it can would starve all others.
        ("grpc.max_concurrent_streams", limits.streams_max),
        ("grpc.server.max_pending_requests", min(limits.pending_soft, limits.pending_max)),
        ("grpc.server.max_pending_requests_hard_limit", limits.pending_max),
        ("grpc.server_handshake_timeout_ms", int(limits.handshake_s * 1000)),
        ("grpc.http2.min_ping_interval_without_data_ms", int(limits.ping_interval_s_min * 1000)),
        ("grpc.http2.max_ping_strikes", 3),
        # Without this, pings on an idle connection count as strikes whatever their pace.
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.keepalive_time_ms", int(limits.ping_s * 1000)),
        ("grpc.keepalive_timeout_ms", int(limits.ping_timeout_s * 1000)),
        ("grpc.http2.ping_timeout_ms", int(limits.ping_timeout_s * 1000)),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    if limits.connection_age_s is not None:
        options += [
            ("grpc.max_connection_age_ms", int(limits.connection_age_s * 1000)),
            ("grpc.max_connection_age_grace_ms", int(limits.connection_grace_s * 1000)),
        ]
    return options


def bind(server: grpc.aio.Server, address: str) -> str:
    """Makes the server listen at "host:port", port 0 for any free one.

    Returns:
        "host:port" with the real port.

    Raises:
        OSError: The address cannot be listened at, with a sentence that names it.
    """
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"cannot listen at {address}: {_why(address)}") from error
    host = address.rpartition(":")[0]
    return f"{host}:{port}"


@contextmanager
def listening(address: str, *, setting: str, variable: str) -> Iterator[None]:
    """What is opened inside listens at the address that a setting gave.

    Raises:
        OSError: It cannot be; the sentence names the address, the cause and what to change.
    """
    try:
        yield
    except (OSError, OverflowError) as error:
        sentence = str(error)
        if not sentence.startswith("cannot listen at"):
            sentence = f"cannot listen at {address}: {getattr(error, 'strerror', None) or error}"
        raise OSError(
            f"{sentence}; choose another by the setting {setting} "
            f"(--{setting.replace('_', '-')}, {variable})"
        ) from error


def _why(address: str) -> str:
    """The system's reason, which gRPC keeps to itself."""
    host, _, port = address.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
        for family, kind, protocol, _, place in found:
            with socket.socket(family, kind, protocol) as probe:
                probe.bind(place)
    except OSError as error:
        return error.strerror or str(error)
    return "it is in use or not of this host"


def add_health(server: grpc.aio.Server) -> Health:
    """Serves `grpc.health.v1.Health`; every service is unknown until it is set."""
    health = Health()
    server.add_generic_rpc_handlers((health.handler(),))
    return health
