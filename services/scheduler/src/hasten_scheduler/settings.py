"""Settings of the scheduler."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from hasten_policy.scheduler.policy import SchedulerPolicy
from hasten_runtime.fanout.settings import FanoutSettings
from hasten_runtime.fleet.link import LinkLimits
from hasten_runtime.fleet.settings import LinkSettings
from hasten_runtime.message_limit import content_bytes_max
from hasten_runtime.recording.settings import RECORD_BYTES_MAX, RecordBytes, RecordFolder
from hasten_runtime.settings import (
    BundleName,
    CommaSeparated,
    DiscoverySettings,
    GrpcSettings,
    HostPort,
    PolicyGroup,
    ServiceSettings,
    SettingsGroup,
    TelemetrySettings,
    policy_group,
    with_bundle,
)
from hasten_runtime.tasks.jobs import JobLimits
from hasten_runtime.tasks.port import Limits
from hasten_runtime.tasks.shard_tenure import TenureTimes
from hasten_scheduler.accepting import AcceptLimits
from hasten_scheduler.job_settings import BatchSettings, CallbackSettings

DAY_S = 86_400.0


class QueueSettings(SettingsGroup):
    """What the queue holds, and how safe it is."""

    shards: int = Field(
        default=1,
        ge=1,
        le=256,
        description="The queue has so many shards. All schedulers of a mesh must say the same, and"
        " it must not change while tasks are kept.",
    )
    durability: Literal["fast", "durable"] = Field(
        default="fast",
        description="An accepted task is in Redis (fast) or on the disk of Redis (durable).",
    )
    replicas: int = Field(
        default=0,
        ge=0,
        le=16,
        description="With durability durable, so many replicas of Redis have an accepted task too.",
    )
    tasks_max: int = Field(
        default=1_000_000,
        ge=0,
        description="A shard takes at most so many tasks that have not ended. 0 sets no limit.",
    )
    bytes_max: int = Field(
        default=0,
        ge=0,
        description="The inputs of these tasks have at most so many bytes. 0 sets no limit.",
    )
    tenant_tasks_max: int = Field(
        default=0, ge=0, description="As tasks_max, for one tenant. 0 sets no limit."
    )
    tenant_bytes_max: int = Field(
        default=0, ge=0, description="As bytes_max, for one tenant. 0 sets no limit."
    )
    memory_share_max: float = Field(
        default=0.7,
        gt=0,
        le=1,
        description="No task is accepted while Redis uses more than this share of its maxmemory.",
    )
    jobs_max: int = Field(
        default=10_000,
        ge=0,
        description="A shard takes at most so many jobs (DAGs, batches, schedules) that have not "
        "ended. 0 sets no limit.",
    )
    pending_max: int = Field(
        default=20_000,
        ge=1,
        description="So many tasks may wait in this process for Redis to accept them.",
    )
    lease_s: float = Field(
        default=3.0,
        ge=1.0,
        le=60.0,
        description="Another scheduler takes the shards of one that was not heard of for so many "
        "seconds.",
    )

    def limits(self) -> Limits:
        """What a shard holds at most."""
        return Limits(
            tasks_max=self.tasks_max,
            bytes_max=self.bytes_max,
            tenant_tasks_max=self.tenant_tasks_max,
            tenant_bytes_max=self.tenant_bytes_max,
            memory_share_max=self.memory_share_max,
        )

    def job_limits(self) -> JobLimits:
        """How many jobs a shard holds at most."""
        return JobLimits(jobs_max=self.jobs_max, memory_share_max=self.memory_share_max)

    def times(self) -> TenureTimes:
        """How long the ownership of a shard lasts."""
        share = self.lease_s / 3.0
        return TenureTimes(lease_s=self.lease_s, renew_s=share, margin_s=0.1 * self.lease_s)


class TaskSettings(SettingsGroup):
    """What a task may be, and what it is when its caller does not say."""

    keep_s: float = Field(
        default=3600.0,
        gt=0,
        le=30 * DAY_S,
        description="The outcome of a task is kept for so many seconds.",
    )
    keep_s_max: float = Field(
        default=7 * DAY_S,
        gt=0,
        le=30 * DAY_S,
        description="A caller may have an outcome kept for at most so many seconds.",
    )
    ahead_s_max: float = Field(
        default=30 * DAY_S,
        gt=0,
        le=365 * DAY_S,
        description="Start and deadline of a task lie at most so many seconds ahead.",
    )
    attempts_max: int = Field(
        default=3, ge=1, le=100, description="A task gets at most so many attempts that count."
    )


class PayloadSettings(SettingsGroup):
    """Where long inputs and outputs lie."""

    inline_bytes_max: int = Field(
        default=4096,
        ge=0,
        le=1024 * 1024,
        description="Inputs and outputs of at most so many bytes lie in Redis.",
    )
    folder: Path | None = Field(
        default=None,
        description="Longer ones lie in this folder, which all schedulers share. Without a folder "
        "they lie in Redis too.",
    )
    keep_s: float = Field(
        default=45 * DAY_S,
        gt=0,
        description="What lies in the folder is removed after so many seconds. A task that takes "
        "longer, or whose outcome is kept longer, loses it.",
    )


class DrainSettings(SettingsGroup):
    """Leaving in order, after SIGTERM."""

    notice_s: float = Field(
        default=0.0,
        ge=0,
        le=300,
        description="A scheduler that leaves says NOT_SERVING for so many seconds while it still"
        " takes calls.",
    )
    patience_s: float = Field(
        default=5.0,
        ge=0,
        le=3600,
        description="A scheduler that leaves then waits at most so many seconds for callers that "
        "wait for tasks. The tasks go on elsewhere.",
    )


PolicySettings = policy_group(
    "PolicySettings", SchedulerPolicy, "scheduler", leave_out=("router_id",)
)
"""The parameters of the scheduler's decisions: those of SchedulerPolicy, field by field."""


class SchedulerSettings(ServiceSettings):
    """Hasten's scheduler: keeps tasks and has workers run them, each with one outcome."""

    model_config = SettingsConfigDict(env_prefix="HASTEN_SCHEDULER_")
    everyday = frozenset(
        {
            "id",
            "address",
            "metrics_address",
            "workers",
            "redis_url",
            "bundle",
            "queue.shards",
            "queue.durability",
            "queue.tasks_max",
            "queue.tenant_tasks_max",
            "tasks.keep_s",
            "tasks.attempts_max",
            "payloads.folder",
            "batches.uri_prefixes",
            "callbacks.hosts",
            "callbacks.secret",
            "policy.order",
            "policy.tenant_weights",
            "discovery.kind",
            "discovery.address",
            "discovery.namespace",
            "grpc.message_bytes_max",
            "drain.patience_s",
            "telemetry.log_level",
            "telemetry.log_format",
            "record",
        }
    )

    id: str = Field(
        default="scheduler", min_length=1, max_length=128, description="The scheduler's name."
    )
    address: HostPort = Field(
        default="0.0.0.0:8003",
        description="The scheduler listens for clients at this host:port.",
    )
    metrics_address: HostPort = Field(
        default="0.0.0.0:8004",
        description="The scheduler serves metrics and health at this host:port.",
    )
    workers: CommaSeparated = Field(
        default=(),
        description="The scheduler uses the workers at these addresses (host:port,host:port) "
        "when discovery.kind is static.",
    )
    redis_url: str = Field(
        default="redis://127.0.0.1:6379/0",
        min_length=1,
        description="The scheduler keeps the tasks in the Redis at this URL.",
    )
    seed: int | None = Field(default=None, description="A seed makes random choices repeatable.")
    bundle: BundleName = Field(
        default="hasten",
        description="The bundle gives the defaults of policy.*: a name from docs/policies.",
    )
    policy: PolicySettings = Field(  # type: ignore[valid-type]  # made above, field by field
        default_factory=PolicySettings,
        description="These are the parameters of the scheduler's decisions.",
    )
    queue: QueueSettings = Field(
        default_factory=QueueSettings, description="These settings are about the queue."
    )
    tasks: TaskSettings = Field(
        default_factory=TaskSettings, description="These settings are about each task."
    )
    payloads: PayloadSettings = Field(
        default_factory=PayloadSettings,
        description="These settings say where long inputs and outputs lie.",
    )
    discovery: DiscoverySettings = Field(
        default_factory=DiscoverySettings,
        description="These settings say how the scheduler finds workers.",
    )
    grpc: GrpcSettings = Field(
        default_factory=GrpcSettings, description="These settings bound gRPC."
    )
    link: LinkSettings = Field(
        default_factory=LinkSettings, description="These settings are about the links to workers."
    )
    fanout: FanoutSettings = Field(
        default_factory=FanoutSettings,
        description="These settings are about calls that go to every worker.",
    )
    batches: BatchSettings = Field(
        default_factory=BatchSettings, description="These settings are about batches."
    )
    callbacks: CallbackSettings = Field(
        default_factory=CallbackSettings,
        description="These settings say whom the scheduler tells that something has ended.",
    )
    drain: DrainSettings = Field(
        default_factory=DrainSettings, description="These settings say how the scheduler leaves."
    )
    telemetry: TelemetrySettings = Field(
        default_factory=TelemetrySettings, description="These settings are about logs and metrics."
    )
    record: RecordFolder = None
    record_bytes_max: RecordBytes = RECORD_BYTES_MAX

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: object) -> object:
        return with_bundle(data, "scheduler", PolicySettings)

    def scheduler_policy(self) -> SchedulerPolicy:
        """For the machine."""
        group: PolicyGroup = self.policy
        policy: SchedulerPolicy = group.build(router_id=self.id)
        return policy

    @property
    def payload_bytes_max(self) -> int:
        """What one task's request may take: room is left for what is beside it in a message."""
        return content_bytes_max(self.grpc.message_bytes_max)

    def link_limits(self) -> LinkLimits:
        """Bounds of each link to a worker."""
        return self.link.link_limits(self.payload_bytes_max, self.grpc.message_bytes_max)

    def accept_limits(self) -> AcceptLimits:
        """Bounds and defaults of what is accepted."""
        tasks = self.tasks
        return AcceptLimits(
            request_bytes_max=self.payload_bytes_max,
            request=self.grpc.request_bounds("HASTEN_SCHEDULER_GRPC__"),
            shards=self.queue.shards,
            keep_s=tasks.keep_s,
            keep_s_max=tasks.keep_s_max,
            ahead_s_max=tasks.ahead_s_max,
            attempts_max=tasks.attempts_max,
        )

    def discovery_settings(self) -> DiscoverySettings:
        """Discovery, with the static workers and the Redis of this service filled in."""
        return self.discovery.filled_in(self.redis_url, self.workers)
