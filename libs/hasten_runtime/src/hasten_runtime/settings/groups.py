"""Groups of settings that several services share."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from hasten_policy.admission.front_gate import FrontPolicy
from hasten_runtime.grpc_client import ChannelLimits
from hasten_runtime.grpc_server import ServerLimits
from hasten_runtime.message_limit import GRPC_BYTES_MAX, MESSAGE_BYTES_MIN
from hasten_runtime.request_bounds import RequestBounds
from hasten_runtime.settings.base import CommaSeparated, SettingsGroup
from hasten_runtime.settings.policy import policy_group
from hasten_runtime.uploads import UploadLimits

MIB = 1024 * 1024


def _host_port(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not (host and colon and port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError("expected host:port, as 0.0.0.0:8001 (port 0: any free port)")
    return value


HostPort = Annotated[str, AfterValidator(_host_port)]
"""An address to listen at or to call."""
HostPortOrNone = Annotated[str, AfterValidator(lambda value: _host_port(value) if value else value)]
"""The same, or "" for none."""


PendingSoft = Annotated[
    int,
    Field(
        ge=1,
        le=100_000,
        description="At most so many calls wait to be taken on. Some of the calls beyond are "
        "cut with CANCELLED.",
    ),
]
PendingMax = Annotated[
    int,
    Field(
        ge=1,
        le=100_000,
        description="All calls beyond so many that wait are cut with CANCELLED. A higher number "
        "takes larger crowds and lets calls grow old.",
    ),
]

ConnectionAge = Annotated[
    float,
    Field(
        ge=0,
        le=86_400,
        description="The server asks clients to connect anew when their connection is so many "
        "seconds old, a tenth more or less by chance. 0 lets connections last.",
    ),
]

PingTimeout = Annotated[
    float,
    Field(
        ge=0.1,
        le=60,
        description="A peer that does not answer a ping within so many seconds is lost.",
    ),
]

_SERVER = ServerLimits()


class GrpcSettings(SettingsGroup):
    """Bounds of servers and channels."""

    message_bytes_max: int = Field(
        default=GRPC_BYTES_MAX,
        ge=MESSAGE_BYTES_MIN,
        le=GRPC_BYTES_MAX,
        description="A message has at most so many bytes. The default is what the stock "
        "clients allow.",
    )
    streams_max: int = Field(
        default=1000, ge=1, le=100_000, description="One connection may have so many calls open."
    )
    calls_max: int | None = Field(
        default=None,
        ge=1,
        description="The whole server may have so many calls open. Unset sets no such limit.",
    )
    pending_soft: PendingSoft = _SERVER.pending_soft
    pending_max: PendingMax = _SERVER.pending_max
    handshake_s: float = Field(
        default=3.0, gt=0, le=60, description="A connection has so many seconds for its handshake."
    )
    metadata_bytes_max: int = Field(
        default=16 * 1024,
        ge=1024,
        le=MIB,
        description="The metadata of one call has at most so many bytes.",
    )
    uploads_max: int = Field(
        default=16,
        ge=1,
        le=10_000,
        description="So many requests may take longer than half a second to come. Further ones are "
        "refused. The native transport has bounds of its own.",
    )
    held_bytes_max: int = Field(
        default=512 * MIB,
        ge=MIB,
        description="What the service holds for peers that send slowly or do not read has at most "
        "so many bytes for all of them together. One that is alone may have more.",
    )
    request_fields_max: int = Field(
        default=4096,
        ge=4096,
        le=1_000_000,
        description="The fields of one request and of its inputs, and their dimensions, are "
        "together at most so many.",
    )
    request_inputs_max: int = Field(
        default=512, ge=512, le=100_000, description="A request has at most so many inputs."
    )
    request_rank_max: int = Field(
        default=64, ge=64, le=1024, description="An input has at most so many dimensions."
    )
    request_parameters_max: int = Field(
        default=64, ge=64, le=10_000, description="A request has at most so many parameters."
    )
    request_name_bytes_max: int = Field(
        default=1024,
        ge=1024,
        le=65_536,
        description="A model's name, its version, a request's id, an input's name and its datatype "
        "each have at most so many bytes.",
    )
    connection_age_s: ConnectionAge = 0.0
    connection_grace_s: float = Field(
        default=3600.0,
        gt=0,
        le=86_400,
        description="The calls that are open on a connection that became too old have so many "
        "seconds to end.",
    )
    ping_s: float = Field(
        default=1.0,
        ge=1.0,
        le=600,
        description="The service pings a peer of the mesh that was silent for so many seconds.",
    )
    ping_timeout_s: PingTimeout = 1.0

    def server_limits(self, message_variable: str = "") -> ServerLimits:
        """For `make_server`.

        Args:
            message_variable: Name of the variable that sets the service's message_bytes_max.
        """
        return ServerLimits(
            message_bytes_max=self.message_bytes_max,
            message_variable=message_variable,
            streams_max=self.streams_max,
            calls_max=self.calls_max,
            pending_soft=self.pending_soft,
            pending_max=self.pending_max,
            handshake_s=self.handshake_s,
            metadata_bytes_max=self.metadata_bytes_max,
            connection_age_s=self.connection_age_s or None,
            connection_grace_s=self.connection_grace_s,
        )

    def upload_limits(self, prefix: str) -> UploadLimits:
        """Of requests on their way and inside.

        Args:
            prefix: Of the variables that set this group.
        """
        return UploadLimits(self.uploads_max, self.held_bytes_max, prefix)

    def request_bounds(self, prefix: str) -> RequestBounds:
        """Of one request.

        Args:
            prefix: Of the variables that set this group.
        """
        return RequestBounds(
            fields_max=self.request_fields_max,
            inputs_max=self.request_inputs_max,
            rank_max=self.request_rank_max,
            parameters_max=self.request_parameters_max,
            name_bytes_max=self.request_name_bytes_max,
            prefix=prefix,
        )

    def channel_limits(self) -> ChannelLimits:
        """For `make_channel`."""
        return ChannelLimits(
            message_bytes_max=self.message_bytes_max,
            metadata_bytes_max=self.metadata_bytes_max,
            ping_s=self.ping_s,
            ping_timeout_s=self.ping_timeout_s,
        )


FrontSettings = policy_group("FrontSettings", FrontPolicy, "front")
"""When calls are refused before they are read: the fields of FrontPolicy."""


class DiscoverySettings(SettingsGroup):
    """How services find each other."""

    kind: Literal["consul", "redis", "static", "memory"] = Field(
        default="static",
        description="Services find each other through consul, through redis (leases), through"
        " a static list, or in the memory of one process (for tests).",
    )
    address: str = Field(
        default="",
        description="The registry is at this address: host:port of Consul, or a Redis URL. An"
        " empty address stands for 127.0.0.1:8500, or for redis_url.",
    )
    token: SecretStr = Field(
        default=SecretStr(""), description="Consul asks for this access token."
    )
    datacenter: str = Field(
        default="",
        description="Consul looks in this datacenter. An empty name stands for the agent's own.",
    )
    lease_s: float = Field(
        default=3.0,
        ge=0.5,
        le=600,
        description="A service that was not heard of for so many seconds is gone.",
    )
    workers: CommaSeparated = Field(
        default=(),
        description="The kind static finds the workers at these addresses (host:port,host:port).",
    )
    namespace: str = Field(
        default="hasten",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,62}$",
        description="Meshes that share a registry and have different namespaces do not see "
        "each other.",
    )
    check: Literal["ttl", "grpc"] = Field(
        default="ttl",
        description="Consul learns that a service is well from the service (ttl) or asks the "
        "service (grpc).",
    )

    def filled_in(self, redis_url: str, workers: tuple[str, ...] = ()) -> "DiscoverySettings":
        """The same, what it leaves open taken from a service's own settings: the Redis of its
        leases, and static workers.
        """
        changes: dict[str, object] = {}
        if workers and not self.workers:
            changes["workers"] = workers
        if self.kind == "redis" and not self.address:
            changes["address"] = redis_url
        return self.model_copy(update=changes)


class TelemetrySettings(SettingsGroup):
    """Logs and metrics. Traces are set by the standard OTEL_* variables."""

    log_level: Literal["debug", "info", "warning", "error", "critical"] = Field(
        default="info", description="The service logs what is at least so severe."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto",
        description="auto writes for people on a terminal and JSON elsewhere; json and "
        "console write what they say.",
    )
    models_max: int = Field(
        default=32,
        ge=1,
        le=1000,
        description='So many models have metrics of their own. Further models count as "other".',
    )
