"""Groups of settings that several services share."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from hasten_policy.admission.front_gate import FrontPolicy
from hasten_runtime.grpc_client import ChannelLimits
from hasten_runtime.grpc_server import ServerLimits
from hasten_runtime.message_limit import GRPC_BYTES_MAX, MESSAGE_BYTES_MIN
from hasten_runtime.settings.base import CommaSeparated, SettingsGroup
from hasten_runtime.settings.policy import policy_group

MIB = 1024 * 1024


def _host_port(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not (host and colon and port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError("expected host:port, as 0.0.0.0:8001 (port 0: any free port)")
    return value


HostPort = Annotated[str, AfterValidator(_host_port)]
"""An address to listen at or to call."""


PendingSoft = Annotated[
    int,
    Field(
        ge=1,
        le=100_000,
        description="Calls that may wait to be taken on; beyond it some are cut (CANCELLED), ...",
    ),
]
PendingMax = Annotated[
    int,
    Field(
        ge=1,
        le=100_000,
        description="... and with so many all. Higher takes larger crowds and lets calls grow old.",
    ),
]

_SERVER = ServerLimits()


class GrpcSettings(SettingsGroup):
    """Bounds of servers and channels."""

    message_bytes_max: int = Field(
        default=GRPC_BYTES_MAX,
        ge=MESSAGE_BYTES_MIN,
        le=GRPC_BYTES_MAX,
        description="Largest message, in bytes; by default what the stock clients allow.",
    )
    streams_max: int = Field(
        default=1000, ge=1, le=100_000, description="Calls that one connection may have open."
    )
    calls_max: int | None = Field(
        default=None, ge=1, description="Calls open on the whole server; none: no such limit."
    )
    pending_soft: PendingSoft = _SERVER.pending_soft
    pending_max: PendingMax = _SERVER.pending_max
    handshake_s: float = Field(
        default=3.0, gt=0, le=60, description="Time for a connection's handshake."
    )
    metadata_bytes_max: int = Field(
        default=16 * 1024, ge=1024, le=MIB, description="Metadata of one call, in bytes."
    )
    connection_age_s: float | None = Field(
        default=None, gt=0, description="Close connections in order at this age; none: never."
    )
    ping_s: float = Field(
        default=1.0, ge=1.0, le=600, description="Ping a silent peer of the mesh after this long."
    )
    ping_timeout_s: float = Field(
        default=1.0, ge=0.1, le=60, description="A peer that does not answer a ping is lost."
    )

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
            connection_age_s=self.connection_age_s,
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
        description="consul; redis (leases); static (a fixed list); memory (one process, tests).",
    )
    address: str = Field(
        default="",
        description="Consul as host:port, or a Redis URL; empty: 127.0.0.1:8500, or redis_url.",
    )
    token: SecretStr = Field(default=SecretStr(""), description="Consul's access token.")
    datacenter: str = Field(default="", description="Consul's datacenter; empty: the agent's own.")
    lease_s: float = Field(
        default=3.0, ge=0.5, le=600, description="A service unheard of for this long is gone."
    )
    workers: CommaSeparated = Field(
        default=(), description="kind static: addresses of the workers, host:port,host:port."
    )
    namespace: str = Field(
        default="hasten",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,62}$",
        description="Meshes that share a registry and differ in this do not see each other.",
    )
    check: Literal["ttl", "grpc"] = Field(
        default="ttl",
        description="Consul: ttl (a service says that it is well) or grpc (Consul asks it).",
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
        default="info", description="Least severity that is logged."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto: for people on a terminal, JSON elsewhere."
    )
    models_max: int = Field(
        default=32,
        ge=1,
        le=1000,
        description='Models with metrics of their own; further ones count as "other".',
    )
