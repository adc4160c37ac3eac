"""Who is there: one port; adapters for Consul, Redis, memory and fixed lists."""

from typing import assert_never

from hasten_runtime.discovery.memory import Board, MemoryRegistry, StaticRegistry
from hasten_runtime.discovery.port import Discovery, Instance, Registration, View
from hasten_runtime.discovery.registry import Registry
from hasten_runtime.discovery.registry_discovery import RegistryDiscovery
from hasten_runtime.settings import DiscoverySettings

__all__ = ["Discovery", "Instance", "Registration", "View", "open_discovery"]

CONSUL_ADDRESS_DEFAULT = "127.0.0.1:8500"
RENEWALS_PER_LEASE = 3
"""So that two renewals may be lost before an instance is taken for gone."""
SETTLE_EXTRA_S = 2.0


def open_discovery(settings: DiscoverySettings) -> Discovery:
    """The discovery that the settings name; does no IO before its first use.

    A registry that is down is no error, neither here nor later. Raises ValueError for an address
    that cannot be one.
    """
    return RegistryDiscovery(
        _registry(settings),
        renew_s=settings.lease_s / RENEWALS_PER_LEASE,
        settle_s=settings.lease_s + SETTLE_EXTRA_S,
    )


def _registry(settings: DiscoverySettings) -> Registry:
    # The clients are imported only where they are used: each costs a tenth of a second.
    match settings.kind:
        case "consul":
            from hasten_runtime.discovery.consul import ConsulOptions, ConsulRegistry

            return ConsulRegistry(
                ConsulOptions(
                    address=settings.address or CONSUL_ADDRESS_DEFAULT,
                    token=settings.token.get_secret_value() or None,
                    datacenter=settings.datacenter or None,
                    namespace=settings.namespace,
                    ttl_s=settings.lease_s,
                    check=settings.check,
                )
            )
        case "redis":
            from hasten_runtime.discovery.redis_leases import RedisRegistry

            if not settings.address:
                raise ValueError("discovery by redis needs the address of a Redis")
            url = settings.address if "://" in settings.address else f"redis://{settings.address}"
            return RedisRegistry(url, namespace=settings.namespace, ttl_s=settings.lease_s)
        case "memory":
            return MemoryRegistry(Board(), ttl_s=settings.lease_s)
        case "static":
            return StaticRegistry({"worker": settings.workers})
        case _:
            assert_never(settings.kind)
