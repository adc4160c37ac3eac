"""Settings of the router."""

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import SettingsConfigDict

from hasten_policy.admission.front_gate import FrontPolicy
from hasten_policy.router.policy import RouterPolicy
from hasten_router.front.infer import MESSAGE_VARIABLE, STREAM_UNREAD_BYTES_MAX, FrontLimits
from hasten_router.rest.bounds import Bounds, Pace, RestLimits
from hasten_runtime.fanout.settings import FanoutSettings
from hasten_runtime.fleet.link import LinkLimits
from hasten_runtime.fleet.settings import LinkSettings
from hasten_runtime.message_limit import MessageLimit, content_bytes_max
from hasten_runtime.plane.choice import Transport, available
from hasten_runtime.recording.settings import RECORD_BYTES_MAX, RecordBytes, RecordFolder
from hasten_runtime.settings import (
    MIB,
    BundleName,
    CommaSeparated,
    ConnectionAge,
    DiscoverySettings,
    FrontSettings,
    GrpcSettings,
    HostPort,
    HostPortOrNone,
    PendingMax,
    PendingSoft,
    PingTimeout,
    PolicyGroup,
    ServiceSettings,
    SettingsGroup,
    TelemetrySettings,
    policy_group,
    with_bundle,
)


class FrontGrpcSettings(GrpcSettings):
    """Bounds of servers and channels, with the short queue of a front: see decision 0028.

    A client on a starved machine answers a ping late, and a client that is gone costs little, as
    its calls have deadlines: it gets more time than a peer of the mesh.
    """

    pending_soft: PendingSoft = 104
    pending_max: PendingMax = 112
    ping_timeout_s: PingTimeout = 5.0
    connection_age_s: ConnectionAge = 20.0


class DrainSettings(SettingsGroup):
    """Leaving in order, after SIGTERM."""

    notice_s: float = Field(
        default=1.0,
        ge=0,
        le=300,
        description="A router that leaves says NOT_SERVING for so many seconds while it still"
        " takes calls.",
    )
    patience_s: float = Field(
        default=15.0,
        ge=0,
        le=3600,
        description="A router that leaves then waits at most so many seconds for the calls in"
        " flight.",
    )


class HttpSettings(SettingsGroup):
    """Bounds of clients that speak HTTP; the largest body is grpc.message_bytes_max."""

    connections_max: int = Field(
        default=1000,
        ge=1,
        le=100_000,
        description="So many connections may be open. Further ones are turned away.",
    )
    head_s: float = Field(
        default=5.0,
        gt=0,
        le=3600,
        description="A request's head must have come so many seconds after its first byte.",
    )
    idle_s: float = Field(
        default=75.0,
        gt=0,
        le=86_400,
        description="A connection without a request is closed after so many seconds.",
    )
    patience_s: float = Field(
        default=10.0,
        gt=0,
        le=3600,
        description="A client that sends nothing of its body, or takes nothing of its answer, is"
        " waited for so many seconds.",
    )
    rate_bytes_min: int = Field(
        default=64 * 1024,
        ge=1,
        description="A body must come, beyond patience_s, with so many bytes a second.",
    )
    json_bytes_max: int = Field(
        default=2 * MIB,
        ge=1024,
        le=1024 * MIB,
        description="The JSON of a request may have so many bytes, and an output that is to become"
        " JSON too. Binary data beside it is not counted. JSON of 2 MiB keeps the router busy for"
        " a tenth of a second.",
    )
    held_bytes_max: int = Field(
        default=512 * MIB,
        ge=1024,
        description="Bodies of requests and of answers of all clients together may have so many"
        " bytes. One request that is alone may have more.",
    )

    def bounds(self) -> Bounds:
        """Of connections."""
        return Bounds(self.connections_max, self.head_s, self.idle_s, self.pace())

    def pace(self) -> Pace:
        """How slow a client may be."""
        return Pace(self.patience_s, self.rate_bytes_min)


PolicySettings = policy_group("PolicySettings", RouterPolicy, "router", leave_out=("router_id",))
"""The parameters of the router's decisions: those of RouterPolicy, field by field."""


class RouterSettings(ServiceSettings):
    """Hasten's router: takes inference calls and gives them to workers so that deadlines hold."""

    model_config = SettingsConfigDict(env_prefix="HASTEN_ROUTER_")
    everyday = frozenset(
        {
            "id",
            "address",
            "http_address",
            "metrics_address",
            "processes",
            "workers",
            "strict_readiness",
            "redis_url",
            "bundle",
            "policy.mode",
            "policy.tenant_shares",
            "policy.hold_calls_max",
            "discovery.kind",
            "discovery.address",
            "discovery.namespace",
            "grpc.message_bytes_max",
            "drain.notice_s",
            "drain.patience_s",
            "telemetry.log_level",
            "telemetry.log_format",
            "record",
        }
    )

    id: str = Field(
        default="router", min_length=1, max_length=128, description="The router has this name."
    )
    address: HostPort = Field(
        default="0.0.0.0:8001", description="The router listens for clients at this host:port."
    )
    http_address: HostPortOrNone = Field(
        default="0.0.0.0:8000",
        description="The router listens for clients that speak HTTP at this host:port. Empty for"
        " no HTTP.",
    )
    metrics_address: HostPort = Field(
        default="0.0.0.0:8002",
        description="The router serves metrics and health at this host:port.",
    )
    processes: int = Field(
        default=1, ge=1, le=64, description="So many processes share the address and the clients."
    )
    shared_port: bool = Field(
        default=False,
        description="True lets other processes listen at the address too. The parent of many "
        "processes sets it.",
    )
    frozen_s: float = Field(
        default=10.0,
        ge=1,
        le=3600,
        description="The parent of many processes ends one that does nothing for so many seconds, "
        "and starts another in its place.",
    )
    transport: Annotated[Transport, AfterValidator(available)] = Field(
        default="auto",
        description="The router serves clients natively, which costs a fraction of the CPU "
        "(native), through grpc.aio (python), or natively where the native transport was built "
        "(auto).",
    )
    workers: CommaSeparated = Field(
        default=(),
        description="The router uses the workers at these addresses (host:port,host:port) "
        "when discovery.kind is static.",
    )
    strict_readiness: bool = Field(
        default=True,
        description="True makes the router ready only when a worker serves every model and "
        "version that the workers should serve. False makes the router ready as "
        "soon as some worker takes calls.",
    )
    redis_url: str = Field(
        default="",
        description="The router keeps load reports and checkpoints in the Redis at this URL. "
        "An empty URL keeps none.",
    )
    checkpoint_s: float = Field(
        default=10.0,
        gt=0,
        le=3600,
        description="The router saves a checkpoint of what it learnt every so many seconds.",
    )
    seed: int | None = Field(default=None, description="A seed makes random choices repeatable.")
    stream_in_flight_max: int = Field(
        default=256,
        ge=1,
        le=100_000,
        description="One client stream may have so many requests in flight.",
    )
    bundle: BundleName = Field(
        default="hasten",
        description="The bundle gives the defaults of policy.*: a name from docs/policies.",
    )
    policy: PolicySettings = Field(  # type: ignore[valid-type]  # made above, field by field
        default_factory=PolicySettings,
        description="These are the parameters of the router's decisions.",
    )
    discovery: DiscoverySettings = Field(
        default_factory=DiscoverySettings,
        description="These settings say how the router finds workers.",
    )
    grpc: FrontGrpcSettings = Field(
        default_factory=FrontGrpcSettings, description="These settings bound gRPC."
    )
    front: FrontSettings = Field(  # type: ignore[valid-type]  # made field by field
        default_factory=FrontSettings,
        description="These settings say what is refused before it is read.",
    )
    http: HttpSettings = Field(
        default_factory=HttpSettings,
        description="These settings bound clients that speak HTTP.",
    )
    link: LinkSettings = Field(
        default_factory=LinkSettings, description="These settings are about the links to workers."
    )
    fanout: FanoutSettings = Field(
        default_factory=FanoutSettings,
        description="These settings are about calls that go to every worker.",
    )
    drain: DrainSettings = Field(
        default_factory=DrainSettings, description="These settings say how the router leaves."
    )
    telemetry: TelemetrySettings = Field(
        default_factory=TelemetrySettings, description="These settings are about logs and metrics."
    )
    record: RecordFolder = None
    record_bytes_max: RecordBytes = RECORD_BYTES_MAX

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: object) -> object:
        return with_bundle(data, "router", PolicySettings)

    def router_policy(self) -> RouterPolicy:
        """For the machine."""
        group: PolicyGroup = self.policy
        policy: RouterPolicy = group.build(router_id=self.id)
        return policy

    @property
    def payload_bytes_max(self) -> int:
        """What the calls in one message to a worker may take: room is left for what is beside
        them.
        """
        return content_bytes_max(self.grpc.message_bytes_max)

    def front_policy(self) -> FrontPolicy:
        """For the gate in front of admission."""
        group: PolicyGroup = self.front
        policy: FrontPolicy = group.build()
        return policy

    def link_limits(self) -> LinkLimits:
        """Bounds of each link to a worker."""
        return self.link.link_limits(self.payload_bytes_max, self.grpc.message_bytes_max)

    def front_limits(self) -> FrontLimits:
        """Bounds of what clients send."""
        return FrontLimits(
            request_bytes_max=self.payload_bytes_max,
            stream_in_flight_max=self.stream_in_flight_max,
            stream_unread_bytes_max=min(STREAM_UNREAD_BYTES_MAX, self.grpc.message_bytes_max),
            request=self.grpc.request_bounds("HASTEN_ROUTER_GRPC__"),
        )

    def rest_limits(self) -> RestLimits:
        """Bounds of clients that speak HTTP."""
        return RestLimits(
            bounds=self.http.bounds(),
            body=MessageLimit(self.payload_bytes_max, MESSAGE_VARIABLE),
            json_bytes_max=self.http.json_bytes_max,
            held_bytes_max=self.http.held_bytes_max,
        )

    def discovery_settings(self) -> DiscoverySettings:
        """Discovery, with the static workers and the Redis of this service filled in."""
        return self.discovery.filled_in(self.redis_url, self.workers)
