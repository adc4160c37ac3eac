"""The one way in which the mesh opens channels between its own services.

A stopped peer (paused machine, pulled cable) does not close its connections; only pings find
it. All three options that together bound the detection are set here, and `grpc_server` allows
their pace. A server with stock settings would answer that pace with GOAWAY: use these channels
towards the mesh's own servers only.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc

from hasten_runtime.message_limit import GRPC_BYTES_MAX

if TYPE_CHECKING:
    from hasten_runtime.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class ChannelLimits:
    """Bounds of one channel.

    Attributes:
        message_bytes_max: Largest message, either way.
        metadata_bytes_max: Largest metadata of an answer.
        ping_s: A connection that is silent for this long is pinged; gRPC waits at least a second.
        ping_timeout_s: A ping unanswered for this long breaks the connection.
        connect_timeout_s: Longest attempt to connect.
        reconnect_s_min: Wait after the first failed attempt to connect.
        reconnect_s_max: Longest wait between attempts.
    """

    message_bytes_max: int = GRPC_BYTES_MAX
    metadata_bytes_max: int = 16 * 1024
    ping_s: float = 1.0
    ping_timeout_s: float = 1.0
    connect_timeout_s: float = 1.0
    reconnect_s_min: float = 0.1
    reconnect_s_max: float = 1.0


def make_channel(
    address: str,
    *,
    limits: ChannelLimits | None = None,
    traces: "Telemetry | None" = None,
) -> grpc.aio.Channel:
    """A plaintext channel with a connection of its own; connects on first use.

    Args:
        address: "host:port", or any gRPC target.
        limits: Bounds; the defaults when None.
        traces: Where its RPCs are traced; None for a channel whose RPCs carry their context in
            their messages, or none.
    """
    channel = grpc.aio.insecure_channel(address, options=channel_options(limits or ChannelLimits()))
    return channel if traces is None else traces.traced_channel(channel, address)


def channel_options(limits: ChannelLimits) -> list[tuple[str, str | int]]:
    """The limits as gRPC channel arguments."""
    return [
        ("grpc.max_send_message_length", limits.message_bytes_max),
        ("grpc.max_receive_message_length", limits.message_bytes_max),
        ("grpc.max_metadata_size", limits.metadata_bytes_max),
        ("grpc.absolute_max_metadata_size", 2 * limits.metadata_bytes_max),
        ("grpc.keepalive_time_ms", int(limits.ping_s * 1000)),
        ("grpc.keepalive_timeout_ms", int(limits.ping_timeout_s * 1000)),
        # Without this one a stopped server goes unnoticed for a minute.
        ("grpc.http2.ping_timeout_ms", int(limits.ping_timeout_s * 1000)),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.keepalive_permit_without_calls", 1),
        # gRPC's own half a minute is long for a name that has moved to another machine.
        ("grpc.dns_min_time_between_resolutions_ms", int(limits.reconnect_s_max * 1000)),
        ("grpc.initial_reconnect_backoff_ms", int(limits.reconnect_s_min * 1000)),
        ("grpc.min_reconnect_backoff_ms", int(limits.connect_timeout_s * 1000)),
        ("grpc.max_reconnect_backoff_ms", int(limits.reconnect_s_max * 1000)),
        # Channels to one address must not share a connection, or they share its stream limit
        # and its fate.
        ("grpc.use_local_subchannel_pool", 1),
        # Retries are the router's decision, and peers are found by discovery.
        ("grpc.enable_retries", 0),
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.enable_http_proxy", 0),
    ]
