"""Which discovery a service uses, and how."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Kind = Literal["consul", "redis", "memory", "static"]


@dataclass(frozen=True, slots=True)
class DiscoveryOptions:
    """Settings of `open_discovery`.

    Attributes:
        kind: consul; redis (leases, for local mode); static (a fixed list); memory (this process
            alone).
        address: Consul's HTTP API or Redis, as host:port or URL.
        static: For kind static: "host:port" addresses by service.
        namespace: Meshes with different ones do not see each other.
        token: Consul ACL token.
        health: For Consul: who says that an instance is well; see `ConsulRegistry`.
        renew_s: Seconds between two renewals.
        ttl_s: An instance that has not renewed for this long is gone; at least twice renew_s.
        settle_s: How long instances that a troubled registry has lost are kept.
    """

    kind: Kind
    address: str = ""
    static: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    namespace: str = "hasten"
    token: str | None = None
    health: Literal["ttl", "grpc"] = "ttl"
    renew_s: float = 1.0
    ttl_s: float = 3.0
    settle_s: float = 5.0

    def __post_init__(self) -> None:
        """Raises ValueError for options that cannot work."""
        if self.kind in {"consul", "redis"} and not self.address:
            raise ValueError(f"discovery by {self.kind} needs an address")
        if not 0.0 < 2 * self.renew_s <= self.ttl_s:
            raise ValueError("ttl_s must be at least twice renew_s, and both above 0")
        if self.settle_s < self.renew_s:
            raise ValueError("settle_s must be at least renew_s")
