"""Settings of the autoscaler."""

from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from hasten_autoscaler.pools_file import PoolEntry, read_pools
from hasten_policy.autoscaler.policy import AutoscalerPolicy
from hasten_policy.scaling.limits import Bounds
from hasten_runtime.recording.settings import RECORD_BYTES_MAX, RecordBytes, RecordFolder
from hasten_runtime.settings import (
    BundleName,
    DiscoverySettings,
    GrpcSettings,
    HostPort,
    PolicyGroup,
    ServiceSettings,
    TelemetrySettings,
    policy_group,
    with_bundle,
)
from hasten_runtime.tasks.shard_tenure import TenureTimes

_WAYS: Final = ("max", "min")

PolicySettings = policy_group("PolicySettings", AutoscalerPolicy, "autoscaler")
"""The parameters of the autoscaler's decisions: those of AutoscalerPolicy, field by field."""
BoundsSettings = policy_group("BoundsSettings", Bounds, "autoscaler.bounds")
"""How many workers there may be: the fields of Bounds."""


class AutoscalerSettings(ServiceSettings):
    """Hasten's autoscaler: says how many workers there should be, and starts and stops them."""

    model_config = SettingsConfigDict(env_prefix="HASTEN_AUTOSCALER_")
    everyday = frozenset(
        {
            "id",
            "address",
            "metrics_address",
            "redis_url",
            "pool",
            "mode",
            "driver",
            "driver_address",
            "pools",
            "scaled_by",
            "bounds.workers_min",
            "bounds.workers_max",
            "bounds.price_per_h",
            "bounds.budget_per_h",
            "policy.rule",
            "policy.period_s",
            "discovery.kind",
            "discovery.address",
            "discovery.namespace",
            "telemetry.log_level",
            "telemetry.log_format",
            "record",
        }
    )

    id: str = Field(
        default="autoscaler", min_length=1, max_length=128, description="The autoscaler's name."
    )
    address: HostPort = Field(
        default="0.0.0.0:8005",
        description="The autoscaler listens for clients at this host:port.",
    )
    metrics_address: HostPort = Field(
        default="0.0.0.0:8006",
        description="The autoscaler serves metrics and health at this host:port.",
    )
    redis_url: str = Field(
        default="redis://127.0.0.1:6379/0",
        min_length=1,
        description="Routers, schedulers and workers tell the Redis at this URL how they are.",
    )
    pool: str = Field(
        default="default",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,62}$",
        description="The pool of workers has this name.",
    )
    mode: Literal["advise", "act", "hold"] = Field(
        default="advise",
        description="The autoscaler decides and touches nothing (advise), decides and acts (act),"
        " or lets the number stay (hold).",
    )
    driver: Literal["none", "process"] = Field(
        default="none",
        description="Workers are started and stopped by nobody (none) or by the supervisor of"
        " `hasten up` (process).",
    )
    driver_address: Path | None = Field(
        default=None, description="The driver process reaches the supervisor at this Unix socket."
    )
    pools: Path | None = Field(
        default=None,
        description="This TOML file lists several pools of workers, each with a driver, bounds and"
        " a price of its own; it stands in place of driver.",
    )
    scaled_by: Literal["driver", "keda", "hpa"] = Field(
        default="driver",
        description="The number is carried out by the driver, by KEDA, which asks this autoscaler"
        " (keda), or by a HorizontalPodAutoscaler on the metric hasten_desired_replicas (hpa).",
    )
    worker_name: str = Field(
        default="worker",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
        description="Workers that are started get this name and a number.",
    )
    drain_s: float = Field(
        default=30.0,
        ge=0,
        le=3600,
        description="A worker that is to leave has so many seconds for the calls that it accepted.",
    )
    look_s: float = Field(
        default=1.0,
        ge=0.1,
        le=60,
        description="The autoscaler looks at the mesh every so many seconds.",
    )
    forecast_s: float = Field(
        default=30.0,
        ge=0,
        le=3600,
        description="Demand is forecast in periods of so many seconds. 0 forecasts nothing.",
    )
    day_s: float = Field(
        default=86_400.0,
        ge=0,
        description="Demand may come again after so many seconds. 0 for no such time.",
    )
    lease_s: float = Field(
        default=3.0,
        ge=1.0,
        le=60.0,
        description="Another autoscaler leads when the leader was not heard of for so many "
        "seconds.",
    )
    bundle: BundleName = Field(
        default="hasten",
        description="The bundle gives the defaults of policy.*: a name from docs/policies.",
    )
    bounds: BoundsSettings = Field(  # type: ignore[valid-type]  # made above, field by field
        default_factory=BoundsSettings,
        description="These settings say how many workers there may be.",
    )
    policy: PolicySettings = Field(  # type: ignore[valid-type]  # made above, field by field
        default_factory=PolicySettings,
        description="These are the parameters of the autoscaler's decisions.",
    )
    discovery: DiscoverySettings = Field(
        default_factory=DiscoverySettings,
        description="These settings say where the leader is elected: in Consul, or else in Redis.",
    )
    grpc: GrpcSettings = Field(
        default_factory=GrpcSettings, description="These settings bound gRPC."
    )
    telemetry: TelemetrySettings = Field(
        default_factory=TelemetrySettings, description="These settings are about logs and metrics."
    )
    record: RecordFolder = None
    record_bytes_max: RecordBytes = RECORD_BYTES_MAX

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: object) -> object:
        return with_bundle(data, "autoscaler", PolicySettings)

    @model_validator(mode="after")
    def _can_act(self) -> Self:
        if self.scaled_by != "driver" and (
            self.mode == "act" or self.driver != "none" or self.pools is not None
        ):
            raise ValueError(
                f"one party acts on a pool: with scaled_by {self.scaled_by} mode must be advise or"
                " hold, and driver none"
            )
        if self.mode == "act" and self.driver == "none" and self.pools is None:
            raise ValueError("mode act needs a driver: process, or pools")
        if self.pools is not None:
            self._check_pools()
        if self.driver == "process" and self.driver_address is None:
            raise ValueError("driver process needs driver_address, the supervisor's socket")
        return self

    def _check_pools(self) -> None:
        """The pools can be read and agree with the bounds. Raises ValueError."""
        if self.driver != "none":
            raise ValueError("pools have drivers of their own: driver must be none beside them")
        offers = [entry.offer for entry in self.pool_entries()]
        bounds = self.pool_bounds()
        most, least = (sum(getattr(each, f"workers_{way}") for each in offers) for way in _WAYS)
        if most < bounds.workers_min:
            raise ValueError(
                f"the pools hold {most} workers, fewer than bounds.workers_min {bounds.workers_min}"
            )
        if least > bounds.workers_max:
            raise ValueError(
                f"the pools' floors are {least} workers together, more than bounds.workers_max"
                f" {bounds.workers_max}"
            )

    def pool_entries(self) -> tuple[PoolEntry, ...]:
        """The pools of the file; none without one. Raises ValueError."""
        return read_pools(self.pools) if self.pools is not None else ()

    def autoscaler_policy(self) -> AutoscalerPolicy:
        """For the machine."""
        group: PolicyGroup = self.policy
        policy: AutoscalerPolicy = group.build()
        return policy

    def pool_bounds(self) -> Bounds:
        """For the machine."""
        group: PolicyGroup = self.bounds
        bounds: Bounds = group.build()
        return bounds

    def times(self) -> TenureTimes:
        """How long the lead lasts."""
        return TenureTimes(
            lease_s=self.lease_s, renew_s=self.lease_s / 3.0, margin_s=0.1 * self.lease_s
        )
