"""Settings of the worker."""

import os
import socket
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from hasten_policy.admission.front_gate import FrontPolicy
from hasten_policy.worker.policy import WorkerPolicy
from hasten_runtime.fleet.worker.sender import PENDING_BYTES_MAX, EndLimits
from hasten_runtime.recording.settings import RECORD_BYTES_MAX, RecordBytes, RecordFolder
from hasten_runtime.settings import (
    BundleName,
    CommaSeparated,
    DiscoverySettings,
    FrontSettings,
    GrpcSettings,
    HostPort,
    PolicyGroup,
    ServiceSettings,
    SettingsGroup,
    TelemetrySettings,
    policy_group,
    with_bundle,
)
from hasten_worker.engine.settings import StoreSettings, cores_available

LANES_MAX_DEFAULT: Final = 4
CORES_PER_LANE: Final = 2
PENDING_MESSAGES: Final = 4
"""Largest messages that may wait for a router that does not read, while they are small."""
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
ANY_HOST: Final = frozenset({"0.0.0.0", "[::]", "*"})  # noqa: S104  (names of it, not a binding)


PolicySettings = policy_group(
    "PolicySettings",
    WorkerPolicy,
    "worker",
    leave_out=("lanes", "waiting_max", "waiting_bytes_max"),
)
"""The parameters of the worker's decisions: those of WorkerPolicy, field by field, but for three
that have settings of their own.
"""


class LeaveSettings(SettingsGroup):
    """How the worker leaves."""

    notice_s: float = Field(
        default=1.0,
        ge=0,
        le=60,
        description="Calls are still taken for this long, until every router has heard.",
    )
    patience_s: float = Field(
        default=30.0, ge=0, le=3600, description="Longest wait for the accepted calls."
    )


class WorkerSettings(ServiceSettings):
    """Hasten's worker: runs the models of one folder."""

    model_config = SettingsConfigDict(env_prefix="HASTEN_WORKER_")

    id: str = Field(
        default="",
        max_length=128,
        description="Name of this worker, unique in the mesh; empty: host name and process id.",
    )
    address: HostPort = Field(default="0.0.0.0:8001", description="Where gRPC is served.")
    link_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Port of the routers' links, on the same host; 0: any that is free.",
    )
    advertise_host: str = Field(
        default="", description="Host that routers call; empty: the address's, or the host name."
    )
    metrics_address: HostPort = Field(
        default="0.0.0.0:8002", description="Where metrics are served."
    )
    models_dir: Path = Field(description="The model repository.")
    model_control: Literal["none", "poll", "explicit"] = Field(
        default="none",
        description="none: load all at start; poll: follow the folder; explicit: on request.",
    )
    load_models: CommaSeparated = Field(
        default=(), description="With explicit control: models to load at start; * for all."
    )
    strict_readiness: bool = Field(
        default=True,
        description="Ready only if every model and version that should be served is; false: as "
        "soon as the models of the start were tried.",
    )
    poll_interval_s: float = Field(
        default=2.0, ge=0.1, le=3600, description="With poll: seconds between two looks."
    )
    lanes: int = Field(
        default=0, ge=0, le=256, description="Batches run at once; 0: one for two cores."
    )
    cores: int = Field(
        default=0, ge=0, le=4096, description="Cores shared among the lanes; 0: all there are."
    )
    weight: float = Field(
        default=1.0,
        gt=0,
        le=1000,
        description="Share of calls beside other workers, told to routers by discovery: 2 for "
        "twice as many.",
    )
    waiting_max: int = Field(default=4096, ge=1, description="Calls waiting, over all models.")
    waiting_bytes_max: int = Field(
        default=256 * 1024 * 1024, ge=1, description="Bytes of their payloads."
    )
    redis_url: str = Field(
        default="", description="Where the load report is copied to; empty: nowhere."
    )
    report_period_s: float = Field(
        default=1.0, ge=0.1, le=60, description="Seconds between two copies."
    )
    report_ttl_s: float = Field(
        default=3.0, ge=0.5, le=600, description="A copy that is not renewed vanishes after this."
    )
    shared_memory: bool | None = Field(
        default=None,
        description="Tensors in system shared memory; unset: only when bound to loopback.",
    )
    stop_grace_s: float = Field(
        default=2.0,
        ge=0.1,
        le=600,
        description="A run that ignores its termination for this long ends the worker.",
    )
    bundle: BundleName = Field(
        default="hasten",
        description="Policies whose parameters are the defaults of policy.*; see docs/policies.",
    )
    policy: PolicySettings = Field(  # type: ignore[valid-type]  # made above, field by field
        default_factory=PolicySettings, description="Parameters of the worker's decisions."
    )
    leave: LeaveSettings = Field(default=LeaveSettings(), description="Leaving.")
    grpc: GrpcSettings = Field(default=GrpcSettings(), description="gRPC bounds.")
    front: FrontSettings = Field(  # type: ignore[valid-type]  # made field by field
        default_factory=FrontSettings, description="What is refused before it is read."
    )
    discovery: DiscoverySettings = Field(
        default=DiscoverySettings(), description="How routers find this worker."
    )
    telemetry: TelemetrySettings = Field(
        default=TelemetrySettings(), description="Logs and metrics."
    )
    record: RecordFolder = None
    record_bytes_max: RecordBytes = RECORD_BYTES_MAX

    def worker_id(self) -> str:
        """The name in effect."""
        return self.id or f"{socket.gethostname()}-{os.getpid()}"

    def lane_count(self) -> int:
        """The number of lanes in effect."""
        if self.lanes:
            return self.lanes
        cores = self.cores or cores_available()
        return min(LANES_MAX_DEFAULT, max(1, cores // CORES_PER_LANE))

    def shared_memory_on(self) -> bool:
        """Whether clients may register regions. Who reaches the port could name any region of
        this host, so it is on by itself only where all callers are of this host.
        """
        if self.shared_memory is not None:
            return self.shared_memory
        return self.address.rpartition(":")[0] in LOOPBACK

    def advertised(self, bound: str) -> str:
        """The address for others to call, from the one that was bound."""
        host, _, port = bound.rpartition(":")
        if self.advertise_host:
            host = self.advertise_host
        elif host in ANY_HOST:
            host = socket.gethostname()
        return f"{host}:{port}"

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: object) -> object:
        return with_bundle(data, "worker", PolicySettings)

    def worker_policy(self) -> WorkerPolicy:
        """For the machine."""
        group: PolicyGroup = self.policy
        policy: WorkerPolicy = group.build(
            lanes=self.lane_count(),
            waiting_max=self.waiting_max,
            waiting_bytes_max=self.waiting_bytes_max,
        )
        return policy

    def store(self) -> StoreSettings:
        """For the model store."""
        return StoreSettings(
            models_dir=self.models_dir,
            control=self.model_control,
            poll_interval_s=self.poll_interval_s,
            load_models=self.load_models,
            lanes=self.lane_count(),
            cores=self.cores,
        )

    def front_policy(self) -> FrontPolicy:
        """For the gate in front of admission."""
        group: PolicyGroup = self.front
        policy: FrontPolicy = group.build()
        return policy

    def link_limits(self) -> EndLimits:
        """For the routers' links."""
        return EndLimits(
            message_bytes_max=self.grpc.message_bytes_max,
            pending_bytes_max=min(
                PENDING_MESSAGES * self.grpc.message_bytes_max,
                max(PENDING_BYTES_MAX, self.grpc.message_bytes_max),
            ),
        )

    def discovery_settings(self) -> DiscoverySettings:
        """Discovery, with the Redis of this service filled in."""
        return self.discovery.filled_in(self.redis_url)
