"""Settings of the worker."""

import contextlib
import os
import socket
from pathlib import Path
from types import MappingProxyType
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
from hasten_worker.engine.settings import GIB, Isolation, StoreSettings, cores_available

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


class DrainSettings(SettingsGroup):
    """How the worker leaves."""

    notice_s: float = Field(
        default=1.0,
        ge=0,
        le=60,
        description="A worker that leaves still takes calls for so many seconds, until every "
        "router has heard.",
    )
    patience_s: float = Field(
        default=30.0,
        ge=0,
        le=3600,
        description="A worker that leaves then waits at most so many seconds for the accepted"
        " calls.",
    )


class ModelProcessSettings(SettingsGroup):
    """The processes that run models."""

    stop_grace_s: float = Field(
        default=0.5,
        ge=0.05,
        le=600,
        description="A run that ignores its termination for so many seconds ends the process of "
        "its model.",
    )
    memory_bytes_max: int = Field(
        default=0,
        ge=0,
        description="A model's process has at most so many bytes of private memory on the CPU. 0 "
        "stands for any.",
    )
    growth_bytes_max: int = Field(
        default=GIB // 2,
        ge=1,
        description="A model's process is replaced when its memory stays so many bytes above "
        "that of its start.",
    )


class WorkerSettings(ServiceSettings):
    """Hasten's worker: runs the models of one folder."""

    model_config = SettingsConfigDict(env_prefix="HASTEN_WORKER_")
    renamed = MappingProxyType({"leave": "drain"})
    everyday = frozenset(
        {
            "id",
            "address",
            "link_port",
            "advertise_host",
            "metrics_address",
            "models_dir",
            "model_control",
            "load_models",
            "strict_readiness",
            "lanes",
            "cores",
            "isolation",
            "redis_url",
            "shared_memory",
            "bundle",
            "discovery.kind",
            "discovery.address",
            "discovery.namespace",
            "drain.patience_s",
            "grpc.message_bytes_max",
            "telemetry.log_level",
            "telemetry.log_format",
            "record",
        }
    )

    id: str = Field(
        default="",
        max_length=128,
        description="The worker has this name, which no other worker of the mesh has. An "
        "empty name stands for host name and process id.",
    )
    address: HostPort = Field(
        default="0.0.0.0:8001", description="The worker serves gRPC at this host:port."
    )
    link_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Routers open their links at this port of the same host. 0 takes any free"
        " port.",
    )
    advertise_host: str = Field(
        default="",
        description="Routers call the worker at this host. An empty host stands for the host "
        "of the address, or for the host name.",
    )
    metrics_address: HostPort = Field(
        default="0.0.0.0:8002",
        description="The worker serves metrics and health at this host:port.",
    )
    models_dir: Path = Field(
        description="The worker serves the models of this folder, its model repository."
    )
    examinations_dir: str = Field(
        default="auto",
        description="The worker keeps in this folder what examinations of models found out, so "
        "that the next start need not examine the same files again. auto stands for "
        "hasten/examinations in the user's folder of caches; an empty text keeps nothing.",
    )
    model_control: Literal["none", "poll", "explicit"] = Field(
        default="none",
        description="none loads all models at the start; poll follows the folder; explicit "
        "loads and unloads on request.",
    )
    load_models: CommaSeparated = Field(
        default=(),
        description="A worker with explicit control loads these models at the start. * loads "
        "all models.",
    )
    strict_readiness: bool = Field(
        default=True,
        description="True makes the worker ready only when it serves every model and version "
        "that it should serve. False makes the worker ready as soon as it has "
        "tried the models of the start.",
    )
    poll_interval_s: float = Field(
        default=2.0,
        ge=0.1,
        le=3600,
        description="A worker that polls looks at the folder every so many seconds.",
    )
    lanes: int = Field(
        default=0,
        ge=0,
        le=256,
        description="The worker runs so many batches at once. 0 stands for one batch for two "
        "cores.",
    )
    cores: int = Field(
        default=0,
        ge=0,
        le=4096,
        description="The lanes share so many cores. 0 stands for all cores.",
    )
    waiting_max: int = Field(
        default=4096, ge=1, description="At most so many calls wait, over all models."
    )
    weight: float = Field(
        default=1.0,
        gt=0,
        le=1000,
        description="Routers give the worker about so many times the calls of an equally fast "
        "worker with weight 1.",
    )
    waiting_bytes_max: int = Field(
        default=256 * 1024 * 1024,
        ge=1,
        description="The payloads of the waiting calls have at most so many bytes.",
    )
    redis_url: str = Field(
        default="",
        description="The worker copies its load report to the Redis at this URL. An empty URL"
        " copies nothing.",
    )
    report_period_s: float = Field(
        default=1.0,
        ge=0.1,
        le=60,
        description="The worker copies its load report every so many seconds.",
    )
    report_ttl_s: float = Field(
        default=3.0,
        ge=0.5,
        le=600,
        description="A copy of the load report vanishes when it was not renewed for so many "
        "seconds.",
    )
    shared_memory: bool | None = Field(
        default=None,
        description="True lets clients use tensors in system shared memory. Unset lets them "
        "only when the worker is bound to loopback.",
    )
    stop_grace_s: float = Field(
        default=2.0,
        ge=0.1,
        le=600,
        description="A run that ignores its termination for so many seconds ends the worker.",
    )
    isolation: Isolation = Field(
        default="process",
        description="Models run each in a process of its own, or as threads of the worker: "
        "process or thread.",
    )
    model_process: ModelProcessSettings = Field(
        default=ModelProcessSettings(),
        description="These settings are about the processes that run models.",
    )
    bundle: BundleName = Field(
        default="hasten",
        description="The bundle gives the defaults of policy.*: a name from docs/policies.",
    )
    policy: PolicySettings = Field(  # type: ignore[valid-type]  # made above, field by field
        default_factory=PolicySettings,
        description="These are the parameters of the worker's decisions.",
    )
    drain: DrainSettings = Field(
        default=DrainSettings(), description="These settings say how the worker leaves."
    )
    grpc: GrpcSettings = Field(default=GrpcSettings(), description="These settings bound gRPC.")
    front: FrontSettings = Field(  # type: ignore[valid-type]  # made field by field
        default_factory=FrontSettings,
        description="These settings say what is refused before it is read.",
    )
    discovery: DiscoverySettings = Field(
        default=DiscoverySettings(), description="These settings say how routers find this worker."
    )
    telemetry: TelemetrySettings = Field(
        default=TelemetrySettings(), description="These settings are about logs and metrics."
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
            examinations_dir=self.examinations(),
            isolation=self.isolation,
            process_memory_bytes_max=self.model_process.memory_bytes_max,
            process_growth_bytes_max=self.model_process.growth_bytes_max,
        )

    def examinations(self) -> Path | None:
        """Where examinations are kept; None for nowhere."""
        if self.examinations_dir != "auto":
            return Path(self.examinations_dir) if self.examinations_dir else None
        caches = os.environ.get("XDG_CACHE_HOME")
        with contextlib.suppress(RuntimeError):  # A user without a home.
            return Path(caches or Path.home() / ".cache") / "hasten" / "examinations"
        return None

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
